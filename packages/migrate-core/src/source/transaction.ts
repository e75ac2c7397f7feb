/**
 * A file's own BEGIN and COMMIT. Ours are around it, and its COMMIT would commit before the history is written: its pairs
 * are taken out, with their isolation level going to our BEGIN. Pure.
 */

import { tokens } from './lexer.ts';

export type Isolation = 'read committed' | 'repeatable read' | 'serializable';

export type TransactionWord =
  | { readonly kind: 'begin'; readonly isolation: Isolation | null }
  /** `SET TRANSACTION …`, which has to come first in a transaction: so it goes to our BEGIN. */
  | { readonly kind: 'modes'; readonly isolation: Isolation | null }
  | { readonly kind: 'commit' }
  | { readonly kind: 'refused'; readonly message: string };

const MODE = '(?:isolation level (?:read (?:un)?committed|repeatable read|serializable)|read (?:only|write)|(?:not )?deferrable)';
const MODES = `${MODE}(?:(?: ,)? ${MODE})*`;
const BEGIN = new RegExp(`^(?:begin(?: (?:work|transaction))?|start transaction)(?: ${MODES})?$`);
const SET_MODES = new RegExp(`^set transaction ${MODES}$`);

/** Whether a statement controls the transaction itself; `null` for every other one, and for SAVEPOINT, RELEASE and ROLLBACK TO. */
export function transactionWord(sql: string): TransactionWord | null {
  if (!/^(?:begin|start|commit|end|rollback|abort|prepare|set)\b/i.test(sql)) return null;
  const words: string[] = [];
  for (const token of tokens(sql)) {
    if (token.kind === 'word') words.push(sql.slice(token.start, token.end).toLowerCase());
    else if (token.kind === 'string') words.push("'");
    else if (token.kind !== 'lineComment' && token.kind !== 'blockComment' && sql.charAt(token.start) !== ';') words.push(sql.charAt(token.start));
    if (words.length > 40) break;
  }
  // `SET LOCAL TRANSACTION …` and `SET SESSION TRANSACTION …` are `SET TRANSACTION …`.
  if (words[0] === 'set' && words[2] === 'transaction' && (words[1] === 'local' || words[1] === 'session')) words.splice(1, 1);
  const [first, second] = words;
  const all = words.join(' ');
  // With anything else behind it, as in PL/pgSQL that lost its quotes, it is a mistake that the server tells: what is taken out it never sees.
  if (BEGIN.test(all)) return { kind: 'begin', isolation: isolationIn(all) };
  if (first === 'set' && second === 'transaction') {
    if (words[2] === 'snapshot')
      return { kind: 'refused', message: 'SET TRANSACTION SNAPSHOT has no place in a migration: its snapshot belongs to another session' };
    return SET_MODES.test(all) ? { kind: 'modes', isolation: isolationIn(all) } : null;
  }
  if (/^set (?:local )?session characteristics\b/.test(all)) {
    return { kind: 'refused', message: 'SET SESSION CHARACTERISTICS outlives the migration and would meet whoever gets the connection next' };
  }
  if (first === 'prepare' && second === 'transaction')
    return { kind: 'refused', message: 'PREPARE TRANSACTION takes the migration out of its own transaction, so that it could not be recorded' };
  if (first === 'commit' || first === 'end') {
    if (second === 'prepared') return { kind: 'refused', message: 'COMMIT PREPARED commits a transaction that is not this migration’s: do it by hand' };
    if (/\band chain$/.test(all))
      return {
        kind: 'refused',
        message: `${first.toUpperCase()} AND CHAIN would commit half of the migration before it is recorded: put the halves into two migrations`,
      };
    return /^(?:commit|end)(?: (?:work|transaction))?(?: and no chain)?$/.test(all) ? { kind: 'commit' } : null;
  }
  if (first === 'rollback' || first === 'abort') {
    if (second === 'prepared') return { kind: 'refused', message: 'ROLLBACK PREPARED ends a transaction that is not this migration’s: do it by hand' };
    if (words.includes('to')) return null;
    return { kind: 'refused', message: `${first.toUpperCase()} would undo the migration and run the rest of it unrecorded: take it out, or use a SAVEPOINT` };
  }
  return null;
}

function isolationIn(words: string): Isolation | null {
  const level = /isolation level (read (?:un)?committed|repeatable read|serializable)/.exec(words)?.[1];
  if (level === undefined) return null;
  return level === 'repeatable read' || level === 'serializable' ? level : 'read committed';
}

const STRENGTH: readonly Isolation[] = ['read committed', 'repeatable read', 'serializable'];

export function stronger(a: Isolation, b: Isolation): Isolation {
  return STRENGTH.indexOf(a) >= STRENGTH.indexOf(b) ? a : b;
}

/** Follows a file's transactions statement by statement. */
export class OwnTransactions {
  #open: { readonly at: number } | null = null;
  #pairs = 0;
  isolation: Isolation = 'read committed';

  /** What to do with this statement: leave it out, or refuse it. */
  take(word: TransactionWord, at: number): { readonly problem: string | null } {
    switch (word.kind) {
      case 'begin':
        // A second BEGIN is only a warning to PostgreSQL.
        this.#open ??= { at };
        if (word.isolation !== null) this.isolation = stronger(this.isolation, word.isolation);
        return { problem: null };
      case 'modes':
        if (word.isolation !== null) this.isolation = stronger(this.isolation, word.isolation);
        return { problem: null };
      case 'commit':
        // Without its BEGIN it is only a warning to PostgreSQL, and ends a pair that began at the top, or behind the last one.
        this.#open = null;
        this.#pairs++;
        return { problem: null };
      case 'refused':
        return { problem: word.message };
    }
  }

  /** The number of the pair that is open here; `null` outside of one. */
  get pair(): number | null {
    return this.#open === null ? null : this.#pairs;
  }

  get pairs(): number {
    return this.#pairs;
  }

  /** Where a BEGIN stands that nothing ends; psql would throw its work away. */
  get unended(): number | null {
    return this.#open?.at ?? null;
  }
}
