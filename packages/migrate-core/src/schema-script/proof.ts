/** Whether a copy is equal to its original: made, compared by the fingerprint, and rolled back. */

import { type Catalog, type CatalogReader, describeDifference, diffCatalogs, readCatalog } from '../catalog.ts';
import type { ServerError, Session } from '../session.ts';
import { copyTransactions, createSchema, type CopyScript } from './copy.ts';

export interface Proof {
  /** Locks that a copy in one transaction holds at its end, beside those that cost nothing. */
  readonly locks: number;
  /** For people; empty when the copy is equal. */
  readonly differences: readonly string[];
}

export interface ProofOptions {
  readonly from: string;
  /** A name that nothing else has, and which stands nowhere by chance: it counts as the same as `from` in all texts. */
  readonly to: string;
  /** Behind the schema on the search path. */
  readonly others: readonly string[];
  readonly exclude: readonly string[];
}

/** Throws the server's error where the copy cannot be made, after rolling it back: 53200 where it does not fit into one transaction. */
export async function proveCopy(session: Session, script: CopyScript, { from, to, others, exclude }: ProofOptions): Promise<Proof> {
  const [statements = []] = copyTransactions(script, to, others, Infinity, createSchema(to));
  const made = await session.runInside(`BEGIN;\n${statements.join(';\n')}`);
  if (made.kind !== 'done') {
    await session.run('ROLLBACK');
    throw made.error;
  }
  try {
    const differences = await compareSchemas(session, from, to, exclude);
    const [row] = await session.read('SELECT pg_catalog.count(*) AS locks FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid() AND NOT fastpath');
    return { locks: Number(row?.['locks']), differences };
  } finally {
    await session.run('ROLLBACK');
  }
}

/** What differs between two schemas of one database, for people. Wherever one names itself in a text, the other may name itself. */
export async function compareSchemas(session: Session, from: string, to: string, exclude: readonly string[]): Promise<readonly string[]> {
  const reader = catalogReader(session);
  const [original, copy] = [await readCatalog(reader, { schema: from, exclude }), await readCatalog(reader, { schema: to, exclude })];
  return diffCatalogs(original, renamed(copy, to, from)).map(describeDifference);
}

export function catalogReader(session: Session): CatalogReader {
  return { query: (text, values) => session.query({ text, values }) as Promise<{ rows: unknown[] }> };
}

function renamed({ text }: Catalog, from: string, to: string): Pick<Catalog, 'text'> {
  return { text: text.replaceAll(from, () => to) };
}

/** What a server without room in its lock table answers. */
export function isLockTableFull(error: unknown): boolean {
  return (error as ServerError).code === '53200';
}
