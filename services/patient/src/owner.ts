/** What hangs on a patient asks first whether there is one. */

import { notFound, type Queryable } from '@org/service-kit';

/** @throws HttpProblem 404 where this clinic has no such patient: the foreign key would say 422, as of a wrong value in the body. */
export async function requirePatient(db: Queryable, id: string): Promise<void> {
  const { rowCount } = await db.query('SELECT FROM patients WHERE id = $1', [id]);
  if (rowCount === 0) throw notFound();
}
