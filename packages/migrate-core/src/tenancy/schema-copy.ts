/** The copy of a template schema into a tenant's own, in as many transactions as the server's lock table asks for. */

import { isRetryable } from '../engine/failure.ts';
import { copyTransactions, estimatedLocks, transactionText, type CopyFrame } from '../schema-script/copy.ts';
import { isLockTableFull } from '../schema-script/proof.ts';
import type { ServerError, Session } from '../session.ts';
import { literal } from '../sql.ts';
import { pause } from './again.ts';
import type { SchemaTemplate } from './schema-template.ts';
import { refuseAborted } from './tenant-lock.ts';

/** So many such transactions, at once with others' work, leave the lock table room. */
const WHOLE_SHARE = 10;
const PART_SHARE = 25;
/** A table with its indexes and sequences has to fit. */
const LEAST_LOCKS = 30;
const ATTEMPTS = 12;

export interface SchemaCopy {
  readonly schema: string;
  /** Behind it on the search path. */
  readonly others: readonly string[];
  readonly frame: CopyFrame;
  /** Takes away what a copy in several transactions has left, and leaves the schema empty. */
  readonly clear: () => Promise<void>;
  readonly signal: AbortSignal | undefined;
}

/** Into an empty schema. Throws the server's error where it cannot be copied; the schema is empty then. */
export async function copyTemplate(session: Session, template: SchemaTemplate, copy: SchemaCopy): Promise<void> {
  let locks = template.locks * WHOLE_SHARE <= template.capacity ? Infinity : Math.max(LEAST_LOCKS, template.capacity / PART_SHARE);
  for (let attempt = 1; ; attempt++) {
    refuseAborted(copy.signal);
    const error = await fill(session, template, copy, locks);
    if (error === null) return;
    await copy.clear();
    if (!(isLockTableFull(error) || isRetryable(error)) || attempt === ATTEMPTS) throw error;
    if (isLockTableFull(error)) locks = Math.max(LEAST_LOCKS, Math.min(locks, template.locks) / 2);
    await pause(attempt, copy.signal);
  }
}

async function fill(session: Session, template: SchemaTemplate, { schema, others, frame }: SchemaCopy, locks: number): Promise<ServerError | null> {
  // The estimates tell one statement from another; what all of them take was measured.
  const limit = (locks * estimatedLocks(template)) / Math.max(1, template.locks);
  const transactions = copyTransactions(template, schema, others, limit, frame);
  // Durable with the registry's row, which is written later and flushes the same log.
  const result = await session.run(transactions.map((statements) => transactionText(['SET LOCAL synchronous_commit = off', ...statements])).join(';\n'));
  if (result.kind === 'done') return null;
  if (result.kind === 'failed') return result.error;
  throw result.error;
}

/** `begun`: with a history, by replay or by a whole copy. `half`: objects without any row of a history, as a copy leaves them that was cut off. */
export type SchemaState = 'empty' | 'begun' | 'half';

export async function stateOf(session: Session, schema: string, history: string): Promise<SchemaState> {
  const [row] = await session.read(
    `SELECT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_namespace n ON d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.refobjid = n.oid
 WHERE n.nspname = ${literal(schema)}) AS filled, pg_catalog.to_regclass(${literal(history)}) IS NOT NULL AS history`,
  );
  if (row?.['filled'] !== 't') return 'empty';
  if (row['history'] !== 't') return 'half';
  const [rows] = await session.read(`SELECT EXISTS (SELECT FROM ${history}) AS some`);
  return rows?.['some'] === 't' ? 'begun' : 'half';
}
