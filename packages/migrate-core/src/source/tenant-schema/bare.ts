/**
 * The names without a schema in a statement that runs outside of a transaction. It cannot have the tenant's search path without a setting of the session,
 * which behind a pooler would meet somebody else: so its names get their schema.
 */

import { isTooDeep, parse } from '../parser.ts';
import type { CreatedNames, NameKind } from './created.ts';
import { outermost } from './literal.ts';
import { Marks, wordsOf } from './mark.ts';
import type { Place } from './places.ts';
import { eachText } from './use.ts';

/** A name that these migrations do not make: the catalogue tells where it is. */
export interface Unresolved {
  readonly of: NameKind;
  readonly name: string;
  /** UTF-16 offset in the statement. */
  readonly start: number;
}

export interface BareNames {
  readonly places: readonly Place[];
  readonly unresolved: readonly Unresolved[];
  /** `path`: also by its names alone it would do something else without the search path. */
  readonly needs: 'nothing' | 'path';
}

/** In these a name is all that the search path decides. */
const NAMES_ONLY = new Set([
  'AlterDatabaseStmt',
  'AlterSystemStmt',
  'AlterTableStmt',
  'ClusterStmt',
  'CreateSubscriptionStmt',
  'CreateTableSpaceStmt',
  'CreatedbStmt',
  'DiscardStmt',
  'DropStmt',
  'DropTableSpaceStmt',
  'DropdbStmt',
  'IndexStmt',
  'ReindexStmt',
  'VacuumStmt',
]);

/** `null` when only the search path can tell what its names mean: a procedure that is called, or what the parser does not take. */
export async function findBareNames(text: string, kind: string, known: CreatedNames): Promise<BareNames | null> {
  if (!NAMES_ONLY.has(kind)) return null;
  try {
    return await bareNames(text, known);
  } catch (error) {
    if (isTooDeep(error)) return null;
    throw error;
  }
}

async function bareNames(text: string, known: CreatedNames): Promise<BareNames | null> {
  const plain = await parse(text);
  if (plain.kind !== 'parsed') return null;
  const names = new Set<string>();
  for (const { kind: statement, node } of plain.statements) {
    eachText({ [statement]: node }, (value, use) => {
      if (use().kind === 'bare') names.add(value);
    });
  }
  const words = wordsOf(outermost(text)).filter(
    (word) => word.kind === 'name' && !word.isPart && names.has(word.value) && !/^\s*\./.test(text.slice(word.end)),
  );
  const marks = new Marks(text, words, 0);
  const marked = await parse(marks.text);
  if (marked.kind !== 'parsed') return null;
  const places: Place[] = [];
  const unresolved: Unresolved[] = [];
  let calls = false;
  for (const { kind: statement, node } of marked.statements) {
    eachText({ [statement]: node }, (value, use) => {
      const word = marks.wordOf(value);
      const found = word === null ? null : use();
      if (word === null || found?.kind !== 'bare') return;
      const { start, value: name } = word;
      if (!known.has(found.of, name)) unresolved.push({ of: found.of, name, start });
      else {
        calls ||= found.of === 'routine';
        places.push({ start, end: start, form: 'qualifier', layers: [] });
      }
    });
  }
  // A function of an index looks up its own names when it runs.
  return { places, unresolved, needs: calls ? 'path' : 'nothing' };
}
