/** What a schema's definition is made of. Pure. */

import type { Text } from './text.ts';

/**
 * When a statement comes. `definition`: types, sequences, functions, tables, views, in an order that their needs allow. Then the rows, so that no trigger,
 * rule, policy or foreign key sees them come.
 */
export const PHASES = ['definition', 'rows', 'index', 'attach', 'refresh', 'constraint', 'behaviour', 'owner', 'grant', 'comment'] as const;
export type Phase = (typeof PHASES)[number];

export interface Statement {
  readonly phase: Phase;
  readonly text: Text;
}

/** Statements in the order of their phases, with those that bring the rows in their place. */
export function withRows<T extends Statement>(statements: readonly T[], rows: readonly T[]): readonly T[] {
  const place = PHASES.indexOf('rows');
  return [...statements.filter((one) => PHASES.indexOf(one.phase) < place), ...rows, ...statements.filter((one) => PHASES.indexOf(one.phase) >= place)];
}

/** An object of the schema, or a part of one that can be made by itself. */
export interface Node {
  /** `pg_class` and oid, …: of the catalogue it was read from. */
  readonly key: string;
  /** `table patients`, `constraint patients_pkey of table patients`: the same in every schema. */
  readonly id: string;
  /** The name of the table that it belongs to, which goes with it when that is dropped; `null` for what stands by itself. */
  readonly table: string | null;
  readonly kind: NodeKind;
  /** Keys of other nodes that must be there first. */
  readonly needs: ReadonlySet<string>;
  /** In the order of creation, among those of the same kind. */
  readonly oid: number;
  /** Makes it, with all that is its own. Given the keys of what is made inside its CREATE statement. */
  readonly statements: (inside: readonly Node[]) => readonly Statement[];
  /** It can be a clause of that node's CREATE statement, when everything that it needs is there by then. */
  readonly clause: { readonly of: string; readonly text: Text } | null;
  /** Locks that making it holds until the end of the transaction, about. */
  readonly locks: number;
}

/** In the order in which they are made where nothing else decides. */
export const KINDS = [
  'schema',
  'type',
  'sequence',
  'routine',
  'table',
  'identity',
  'default',
  'check',
  'key',
  'view',
  'ownership',
  'index',
  'statistics',
  'attachment',
  'foreignKey',
  'trigger',
  'rule',
  'policy',
  'defaultPrivileges',
] as const;
export type NodeKind = (typeof KINDS)[number];
