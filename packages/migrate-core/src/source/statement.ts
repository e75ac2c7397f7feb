/** What kind of statement it is: may it be in a transaction, what does it lock, what may it leave behind. Pure. */

import type { Leftover, ObjectName, Sharing, Statement } from '../migration.ts';
import { tokens } from './lexer.ts';
import type { Node } from './parser.ts';
import { child, flag, isOn, list, listedName, option, relationName, text } from './tree.ts';

export interface Classified {
  readonly transaction: 'allowed' | 'forbidden';
  readonly strongLock: boolean;
  readonly leftover: Leftover | null;
  readonly sharing?: Sharing;
  readonly passesOver?: NonNullable<Statement['passesOver']>;
}

const ALLOWED: Classified = { transaction: 'allowed', strongLock: false, leftover: null };

function forbidden(leftover: Leftover): Classified {
  return { transaction: 'forbidden', strongLock: false, leftover };
}

const REPEATABLE = forbidden({ kind: 'repeatable' });
const UNDECIDABLE = forbidden({ kind: 'undecidable' });

/** Remembers what the script itself created: locking that makes nobody wait. */
export class Classifier {
  readonly #created = new Set<string>();
  readonly #ownTransactions: 'allowed' | 'none';

  /** `none`: with `transaction=none`, CALL and DO may commit by themselves, and run alone. */
  constructor(transaction: 'per-migration' | 'none') {
    this.#ownTransactions = transaction === 'none' ? 'none' : 'allowed';
  }

  /** By the syntax tree. PostgreSQL calls PreventInTransactionBlock for these; the list is the same from 14 to 18 but for what the state decides. */
  parsed(kind: string, node: Node, sql: string): Classified {
    const outside = this.#outside(kind, node, sql);
    if (outside !== null) return outside;
    const locked = lockedRelation(kind, node);
    this.#remember(kind, node);
    const sharing = sharingOf(kind, node, locked ?? []);
    const strongLock = locked !== null && !locked.every((name) => this.#created.has(name));
    const index = kind === 'IndexStmt' && flag(node, 'if_not_exists') ? text(node, 'idxname') : null;
    const passesOver = index === null ? {} : { passesOver: { index, table: relationName(child(node, 'relation')) } };
    return { ...ALLOWED, strongLock, ...passesOver, ...(sharing === null ? {} : { sharing }) };
  }

  #outside(kind: string, node: Node, sql: string): Classified | null {
    switch (kind) {
      case 'IndexStmt':
        if (!flag(node, 'concurrent')) return null;
        return forbidden({
          kind: 'createIndex',
          index: text(node, 'idxname') === null ? null : { schema: relationName(child(node, 'relation')).schema, name: text(node, 'idxname') as string },
          table: relationName(child(node, 'relation')),
          ifNotExists: flag(node, 'if_not_exists'),
          unique: flag(node, 'unique'),
        });
      case 'DropStmt':
        if (!flag(node, 'concurrent')) return null;
        return forbidden({
          kind: 'dropIndex',
          indexes: list(node, 'objects').map((one) => listedName(list(child(one, 'List'), 'items'))),
          ifExists: flag(node, 'missing_ok'),
        });
      case 'ReindexStmt':
        return reindex(node);
      case 'AlterTableStmt':
        return detach(node);
      case 'VacuumStmt':
        return flag(node, 'is_vacuumcmd') ? REPEATABLE : null;
      case 'ClusterStmt':
        return 'relation' in node ? null : REPEATABLE;
      case 'AlterSystemStmt':
        return REPEATABLE;
      case 'DiscardStmt':
        return text(node, 'target') === 'DISCARD_ALL' || text(node, 'target') === null ? REPEATABLE : null;
      case 'AlterDatabaseStmt':
        return option(list(node, 'options'), 'tablespace') === null ? null : REPEATABLE;
      case 'CreatedbStmt':
        return forbidden({ kind: 'createDatabase', database: text(node, 'dbname') ?? '' });
      case 'DropdbStmt':
        return forbidden({ kind: 'dropDatabase', database: text(node, 'dbname') ?? '' });
      case 'CreateTableSpaceStmt':
      case 'DropTableSpaceStmt':
        return UNDECIDABLE;
      case 'CreateSubscriptionStmt': {
        const options = list(node, 'options');
        const slotless =
          (option(options, 'create_slot') !== null && !isOn(options, 'create_slot')) || (option(options, 'connect') !== null && !isOn(options, 'connect'));
        return slotless ? null : UNDECIDABLE;
      }
      case 'CallStmt':
        return this.#ownTransactions === 'none' ? UNDECIDABLE : null;
      case 'DoStmt':
        return this.#ownTransactions === 'none' && /\b(?:commit|rollback)\b/i.test(sql) ? UNDECIDABLE : null;
      default:
        return null;
    }
  }

  #remember(kind: string, node: Node): void {
    const created = createdRelation(kind, node);
    if (created !== null && !flag(node, 'if_not_exists') && !flag(node, 'replace')) this.#created.add(key(relationName(created)));
  }

  /** Without a tree, by the first words: for statements too large or too new for the parser. */
  unparsed(sql: string): Classified {
    const words = firstWords(sql);
    const all = words.join(' ');
    if (/^vacuum\b/.test(all) || /^alter system\b/.test(all) || /^discard all\b/.test(all) || /^reindex (?:schema|database|system)\b/.test(all))
      return REPEATABLE;
    if (/^(?:create (?:unique )?index|drop index|reindex \w+) concurrently\b/.test(all)) return UNDECIDABLE;
    if (/^(?:create|drop) (?:database|tablespace)\b/.test(all) || /^create subscription\b/.test(all)) return UNDECIDABLE;
    if (/^cluster(?: verbose)?$/.test(all) && !/"/.test(sql)) return REPEATABLE;
    if (/^alter database\b/.test(all) && /\bset\s+tablespace\b/i.test(sql)) return REPEATABLE;
    if (/^alter table\b/.test(all) && /\bdetach\s+partition\b[^;]*\bconcurrently$/i.test(sql)) return UNDECIDABLE;
    if (this.#ownTransactions === 'none' && /^call\b/.test(all)) return UNDECIDABLE;
    return /^(?:alter (?:table|view|materialized)|drop (?:table|view|index|trigger|materialized|schema)|truncate|lock|create (?:unique )?index)\b/.test(all)
      ? { ...ALLOWED, strongLock: true }
      : ALLOWED;
  }
}

/** The RangeVar of what it creates; `null` for none. */
function createdRelation(kind: string, node: Node): Node | null {
  if (kind === 'CreateStmt') return child(node, 'relation');
  if (kind === 'ViewStmt') return child(node, 'view');
  if (kind === 'CreateSeqStmt') return child(node, 'sequence');
  return kind === 'CreateTableAsStmt' ? child(child(node, 'into'), 'rel') : null;
}

/** Kinds that leave nothing in their transaction that the next migration could notice: no setting, no role, no cursor. (CREATE TABLE AS calls what its SELECT calls.) */
const SELF_CONTAINED = new Set([
  'AlterObjectSchemaStmt',
  'AlterPolicyStmt',
  'AlterTableStmt',
  'CommentStmt',
  'CompositeTypeStmt',
  'CreateDomainStmt',
  'CreateEnumStmt',
  'CreateFunctionStmt',
  'CreatePolicyStmt',
  'CreateSchemaStmt',
  'CreateSeqStmt',
  'CreateStmt',
  'CreateTrigStmt',
  'DropStmt',
  'GrantStmt',
  'IndexStmt',
  'RenameStmt',
  'ViewStmt',
]);
const CHANGES_ROWS = new Set(['DeleteStmt', 'InsertStmt', 'UpdateStmt']);

function sharingOf(kind: string, node: Node, locked: readonly string[]): Sharing | null {
  if (CHANGES_ROWS.has(kind)) return { creates: [], locks: [key(relationName(child(node, 'relation')))], changesRows: true };
  if (!SELF_CONTAINED.has(kind)) return null;
  const created = createdRelation(kind, node);
  // A temporary table hides the one of that name from whoever comes next in its transaction, or in its session.
  if (created !== null && text(created, 'relpersistence') === 't') return null;
  const fresh = created !== null && !flag(node, 'if_not_exists') && !flag(node, 'replace');
  return { creates: fresh ? [key(relationName(created))] : [], locks: locked, changesRows: false };
}

function reindex(node: Node): Classified | null {
  const kind = text(node, 'kind') ?? 'REINDEX_OBJECT_INDEX';
  const concurrently = isOn(list(node, 'params'), 'concurrently');
  const target = /INDEX$/.test(kind) ? 'index' : /TABLE$/.test(kind) ? 'table' : /SCHEMA$/.test(kind) ? 'schema' : /SYSTEM$/.test(kind) ? 'system' : 'database';
  if (!concurrently && (target === 'index' || target === 'table')) return null;
  const named: ObjectName | null =
    'relation' in node ? relationName(child(node, 'relation')) : text(node, 'name') === null ? null : { schema: null, name: text(node, 'name') as string };
  return forbidden({ kind: 'reindex', target, object: named, concurrently });
}

function detach(node: Node): Classified | null {
  for (const one of list(node, 'cmds')) {
    const command = child(one, 'AlterTableCmd');
    const partition = child(child(command, 'def'), 'PartitionCmd');
    if (text(command, 'subtype') === 'AT_DetachPartition' && flag(partition, 'concurrent')) {
      return forbidden({ kind: 'detachPartition', table: relationName(child(node, 'relation')), partition: relationName(child(partition, 'name')) });
    }
  }
  return null;
}

/** Objects of these kinds are dropped under ACCESS EXCLUSIVE of a relation. */
const DROPS_RELATION = /^OBJECT_(?:TABLE|INDEX|VIEW|MATVIEW|FOREIGN_TABLE|SEQUENCE|SCHEMA)$/;
const DROPS_PART = /^OBJECT_(?:TRIGGER|POLICY|RULE)$/;

/** With its schema: `archive.notes` made here says nothing of `notes`. */
function key({ schema, name }: ObjectName): string {
  return `${schema ?? ''}.${name}`;
}

/** Names of the relations whose readers or writers have to wait for this statement; `null` for none. A name that is not told is never one of the script's own. */
function lockedRelation(kind: string, node: Node): readonly string[] | null {
  const own = (field: string): string[] => [key(relationName(child(node, field)))];
  switch (kind) {
    case 'AlterTableStmt':
      return [...own('relation'), ...list(node, 'cmds').flatMap((one) => othersOf(child(one, 'AlterTableCmd')))];
    case 'ViewStmt':
      return flag(node, 'replace') ? own('view') : null;
    case 'IndexStmt':
    case 'CreateTrigStmt':
    case 'RuleStmt':
    case 'ReindexStmt':
    case 'ClusterStmt':
    case 'AlterObjectSchemaStmt':
      return own('relation');
    case 'RenameStmt':
      return 'relation' in node ? own('relation') : null;
    case 'CreatePolicyStmt':
    case 'AlterPolicyStmt':
      return own('table');
    case 'RefreshMatViewStmt':
      return flag(node, 'concurrent') ? null : own('relation');
    case 'TruncateStmt':
    case 'LockStmt':
      return list(node, 'relations').map((one) => key(relationName(child(one, 'RangeVar'))));
    case 'CreateStmt':
      return referenced(node);
    case 'DropStmt': {
      const type = text(node, 'removeType') ?? '';
      if (!DROPS_RELATION.test(type) && !DROPS_PART.test(type)) return null;
      return list(node, 'objects').map((one) => {
        const items = list(child(one, 'List'), 'items');
        return key(listedName(DROPS_PART.test(type) ? items.slice(0, -1) : items));
      });
    }
    default:
      return null;
  }
}

/** A new table's foreign keys and parents: SHARE ROW EXCLUSIVE or stronger on what was there. */
function referenced(node: Node): readonly string[] | null {
  const parents = list(node, 'inhRelations').map((parent) => key(relationName(child(parent, 'RangeVar'))));
  const names = [...foreignTables(list(node, 'tableElts')), ...foreignTables(list(node, 'constraints')), ...parents];
  const self = key(relationName(child(node, 'relation')));
  const others = names.filter((name) => name !== self);
  return others.length === 0 ? null : others;
}

/** The tables that these constraints, and those of these columns, refer to. */
function foreignTables(items: readonly Node[]): string[] {
  return items.flatMap((item) => {
    const constraint = child(item, 'Constraint');
    const own = text(constraint, 'contype') === 'CONSTR_FOREIGN' ? [key(relationName(child(constraint, 'pktable')))] : [];
    return [...own, ...foreignTables(list(child(item, 'ColumnDef'), 'constraints'))];
  });
}

/** What ALTER TABLE locks besides its own table: the target of a foreign key, a partition, a parent. */
function othersOf(command: Node): string[] {
  const def = child(command, 'def');
  const partition = child(child(def, 'PartitionCmd'), 'name');
  return [
    ...foreignTables([def]),
    ...('relname' in partition ? [key(relationName(partition))] : []),
    ...('RangeVar' in def ? [key(relationName(child(def, 'RangeVar')))] : []),
  ];
}

/** The leading words in lower case, at most six; options in parentheses are skipped. */
export function firstWords(sql: string): string[] {
  const words: string[] = [];
  let depth = 0;
  for (const token of tokens(sql)) {
    if (token.kind === 'lineComment' || token.kind === 'blockComment') continue;
    const char = token.kind === 'symbol' ? sql.charAt(token.start) : '';
    if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (depth > 0) continue;
    else if (token.kind !== 'word') break;
    else if (words.push(sql.slice(token.start, token.end).toLowerCase()) === 6) break;
  }
  return words;
}

const LONGEST_SUMMARY = 60;

/** The statement's beginning, for people: up to its first parenthesis or literal, so that no data is in it. */
export function summarize(sql: string): string {
  const parts: string[] = [];
  let joined = false;
  let length = 0;
  for (const token of tokens(sql)) {
    if (token.kind === 'lineComment' || token.kind === 'blockComment') continue;
    const part = sql.slice(token.start, token.end);
    if (token.kind === 'string' || token.kind === 'number' || part === '(' || part === ';') break;
    if (part === '.') {
      joined = true;
      length++;
      continue;
    }
    if (token.kind === 'symbol') break;
    const last = parts.at(-1);
    if (length + part.length + 1 > LONGEST_SUMMARY && last !== undefined) break;
    if (joined && last !== undefined) parts[parts.length - 1] = `${last}.${part}`;
    else parts.push(part);
    joined = false;
    length += part.length + 1;
  }
  return parts.join(' ').slice(0, LONGEST_SUMMARY) || 'a statement';
}
