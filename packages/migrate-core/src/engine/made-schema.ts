/** A run that makes the schema it was given says so: the name may have been mistyped. */

import type { Problem } from '../plan.ts';

/** @param first The migration whose record was the first. */
export function madeSchema(schema: string, first: { readonly name: string; readonly version: string }): Problem {
  return { code: 'madeSchema', version: first.version, name: first.name, message: `made the schema ${schema}, which was not there`, severity: 'warning' };
}
