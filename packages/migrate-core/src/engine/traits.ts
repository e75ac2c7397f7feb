/** What a script is like, as far as others in its message or its transaction can tell. Pure; found out once, whatever the number of targets. */

import type { LiveScript, Script, Sharing } from '../migration.ts';

export interface Traits {
  /** Whether it cannot run as one message of one READ COMMITTED transaction. */
  readonly needsSteps: boolean;
  /**
   * Whether rows may tell that migrations share a transaction: by a constraint that is checked at COMMIT, which the next migration could mend; by a
   * sequence that is not their table's own; by a setting that a function leaves behind; by the transaction's number.
   */
  readonly tellsTransactions: boolean;
  /**
   * Whether it writes rows by the time of its transaction, or of its statement. PostgreSQL takes both when a message comes in, for all that is in it: of what
   * came earlier in the same message, `WHERE created_at < now()` would find nothing.
   */
  readonly tellsTime: boolean;
  /** Whether another role, or another setting of the session, may be in force behind it. */
  readonly mayChangeRole: boolean;
  /** Of each statement; `null`: it must have a transaction of its own. */
  readonly effects: readonly Sharing[] | null;
}

const TRANSACTIONS = /deferr|nextval|set_config|set\s+local|txid_current|pg_current_xact_id/i;
const CLOCK = /\bnow\b|\b(?:transaction|statement)_timestamp\b|\bcurrent_(?:timestamp|time|date)\b|\blocaltime(?:stamp)?\b/i;
const ROLE_CHANGERS = new Set(['VariableSetStmt', 'DoStmt', 'CallStmt', 'SelectStmt', 'Unparsed']);

const known = new WeakMap<Script | LiveScript, Traits>();

export function traitsOf(script: Script | LiveScript): Traits {
  let traits = known.get(script);
  if (traits === undefined) {
    traits = script.kind === 'live' ? ofModule(script) : ofText(script);
    known.set(script, traits);
  }
  return traits;
}

function ofModule({ transaction }: LiveScript): Traits {
  return { needsSteps: transaction === 'none', tellsTransactions: false, tellsTime: false, mayChangeRole: true, effects: null };
}

function ofText({ sql, statements, transaction, isolation }: Script): Traits {
  const effects = statements.flatMap(({ sharing }) => sharing ?? []);
  return {
    needsSteps:
      transaction === 'none' ||
      // At REPEATABLE READ the guard's snapshot would be older than its lock.
      isolation !== 'read committed' ||
      statements.some((statement) => statement.transaction === 'forbidden') ||
      // The file's own pairs stay apart where a new enum value is used after its COMMIT.
      new Set(statements.map((statement) => statement.group)).size > 1,
    tellsTransactions: TRANSACTIONS.test(sql),
    tellsTime: CLOCK.test(sql) && statements.some(({ sharing }) => sharing?.changesRows !== false),
    mayChangeRole: statements.some(({ kind }) => ROLE_CHANGERS.has(kind)),
    effects: effects.length === statements.length ? effects : null,
  };
}
