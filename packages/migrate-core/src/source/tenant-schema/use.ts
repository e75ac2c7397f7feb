/** What a marked word of a statement is, by where its mark stands in the syntax tree. Pure. */

import type { Node } from '../parser.ts';
import { child, list, text } from '../tree.ts';
import type { NameKind } from './created.ts';

export type Use =
  /** Before an object's name, as in `public.t`. `changed`: the statement is there to change or to drop it. */
  | { readonly kind: 'qualifier'; readonly of: NameKind; readonly name: string; readonly how: 'used' | 'changed' }
  /** An object's name that has no schema. */
  | { readonly kind: 'bare'; readonly of: NameKind }
  /** The schema itself. */
  | { readonly kind: 'schema' }
  /** An element of a search path. */
  | { readonly kind: 'path' }
  /** A string that holds a search path. */
  | { readonly kind: 'pathList' }
  /** A string that names an object: `'public.t'::regclass`. */
  | { readonly kind: 'reference'; readonly of: NameKind | 'schema' }
  /** A string that is the body of a function or of a DO block. */
  | { readonly kind: 'body'; readonly language: string }
  /** A string that is compared with the name of a schema, given to a function or to a variable, or joined with others. */
  | { readonly kind: 'value' }
  /** A setting of the whole server or of a role. */
  | { readonly kind: 'shared' }
  /** A remark, for people. */
  | { readonly kind: 'remark' }
  /** An alias, a column, a role, a value of a column: not the schema. */
  | { readonly kind: 'other' };

const OTHER: Use = { kind: 'other' };

type Holder = Node | readonly unknown[];

/** From the root to a text: in each holder, the key under which the next one stands. */
type Trail = readonly { readonly holder: Holder; readonly key: string | number }[];

/** Calls `found` with every text of a tree and its use, which is found out only when it is asked for. */
export function eachText(tree: unknown, found: (value: string, use: () => Use) => void): void {
  const trail: { holder: Holder; key: string | number }[] = [];
  const visit = (value: unknown): void => {
    if (typeof value === 'string') found(value, () => useOf(trail, value));
    else if (Array.isArray(value)) value.forEach((one, key) => step(value, key, one));
    else if (typeof value === 'object' && value !== null) for (const [key, one] of Object.entries(value)) step(value as Node, key, one);
  };
  const step = (holder: Holder, key: string | number, value: unknown): void => {
    trail.push({ holder, key });
    visit(value);
    trail.pop();
  };
  visit(tree);
}

function useOf(trail: Trail, value: string): Use {
  const last = trail.at(-1);
  if (last === undefined || Array.isArray(last.holder)) return OTHER;
  const holder = last.holder as Node;
  switch (last.key) {
    case 'schemaname':
      return 'relname' in holder ? { kind: 'qualifier', of: 'relation', name: text(holder, 'relname') ?? '', how: howOf(trail) } : { kind: 'schema' };
    case 'relname':
      return text(holder, 'schemaname') === null && text(holder, 'relpersistence') !== 't' ? { kind: 'bare', of: 'relation' } : OTHER;
    case 'comment':
    case 'label':
      return { kind: 'remark' };
    case 'newschema':
      return text(holder, 'objectType') === 'OBJECT_EXTENSION' ? OTHER : { kind: 'schema' };
    case 'local_schema':
      return { kind: 'schema' };
    case 'name':
      return /_SCHEMA$/.test(text(holder, 'kind') ?? text(holder, 'pubobjtype') ?? '') ? { kind: 'schema' } : OTHER;
    case 'subname':
      return text(holder, 'renameType') === 'OBJECT_SCHEMA' ? { kind: 'schema' } : OTHER;
    case 'sval': {
      const use = trail.at(-2)?.key === 'sval' ? useOfConstant(trail.slice(0, -2)) : useOfString(trail.slice(0, -2), value);
      return use.kind === 'qualifier' ? { ...use, how: howOf(trail) } : use;
    }
    default:
      return OTHER;
  }
}

const CHANGES_RELATION = new Set(['AlterTableStmt', 'DeleteStmt', 'IndexStmt', 'InsertStmt', 'MergeStmt', 'RenameStmt', 'UpdateStmt']);

/** Whether it is what its statement changes: the statement is what the trail begins with. */
function howOf(trail: Trail): 'used' | 'changed' {
  const statement = trail[0]?.key;
  if (statement === 'DropStmt' || statement === 'TruncateStmt') return 'changed';
  return trail.length === 3 && trail[1]?.key === 'relation' && CHANGES_RELATION.has(String(statement)) ? 'changed' : 'used';
}

/** The nearest object that has this field, from the inside. */
function nearest(trail: Trail, field: string): Node | null {
  return (trail.findLast(({ holder }) => !Array.isArray(holder) && field in holder)?.holder as Node | undefined) ?? null;
}

function within(trail: Trail, kind: string): boolean {
  return trail.some(({ key }) => key === kind);
}

/** A `String` node. */
function useOfString(trail: Trail, value: string): Use {
  const at = trail.at(-1);
  if (at === undefined) return OTHER;
  const option = nearest(trail, 'defname');
  const name = option === null ? null : text(option, 'defname');
  if (name === 'as' && (within(trail, 'CreateFunctionStmt') || within(trail, 'DoStmt'))) return { kind: 'body', language: languageOf(trail) };
  if (!Array.isArray(at.holder)) {
    const schema = at.key === 'object' && (text(at.holder as Node, 'objtype') ?? text(at.holder as Node, 'objectType')) === 'OBJECT_SCHEMA';
    return schema ? { kind: 'schema' } : OTHER;
  }
  const field = trail.at(-2);
  if (field === undefined || Array.isArray(field.holder)) return OTHER;
  const names = (at.holder as readonly Node[]).map((one) => text(child(one, 'String'), 'sval'));
  const holder = field.holder as Node;
  // A list without a name for it, among several statements' own: what it names is told further out.
  if (field.key === 'items') return useInList(trail, names, at.key as number, name);
  if (field.key === 'objects') return schemasOnly(holder) ? { kind: 'schema' } : OTHER;
  const of = listKind(String(field.key), holder, trail, names);
  return of === null ? OTHER : partOf(names, at.key as number, of, String(field.key) === 'fields' || holder['pct_type'] === true ? 'part' : 'whole', value);
}

/** The language of the function or DO block around; plpgsql where none is told. */
function languageOf(trail: Trail): string {
  const statement = trail.findLast(({ key }) => key === 'CreateFunctionStmt' || key === 'DoStmt');
  const node = statement === undefined ? undefined : child(statement.holder as Node, String(statement.key));
  for (const one of [...list(node, 'options'), ...list(node, 'args')]) {
    const element = child(one, 'DefElem');
    if (text(element, 'defname') === 'language') return (text(child(child(element, 'arg'), 'String'), 'sval') ?? '').toLowerCase();
  }
  return within(trail, 'DoStmt') ? 'plpgsql' : 'sql';
}

/** Of GRANT and DROP, whose objects are lists of lists but for schemas. */
function schemasOnly(holder: Node): boolean {
  return (
    text(holder, 'targtype') === 'ACL_TARGET_ALL_IN_SCHEMA' || text(holder, 'objtype') === 'OBJECT_SCHEMA' || text(holder, 'removeType') === 'OBJECT_SCHEMA'
  );
}

/** What the names of a list of this field are; `null` where they are none of a schema's objects. */
function listKind(field: string, holder: Node, trail: Trail, names: readonly (string | null)[]): NameKind | null {
  switch (field) {
    case 'funcname':
    case 'func_name':
      return 'routine';
    case 'objname':
      return /^\w/.test(names.at(-1) ?? '') ? 'routine' : 'operator';
    case 'names':
      // In CREATE OPERATOR, AGGREGATE and TYPE, functions look like types.
      return holder['pct_type'] === true ? 'relation' : within(trail, 'definition') || within(trail, 'params') ? 'any' : 'type';
    case 'typeName':
    case 'domainname':
      return 'type';
    case 'defnames':
      return 'any';
    case 'fields':
      return 'relation';
    case 'name':
      return within(trail, 'A_Expr') ? 'operator' : null;
    case 'operName':
    case 'useOp':
      return 'operator';
    case 'collname':
    case 'collation':
    case 'opclass':
    case 'opclassname':
    case 'opfamilyname':
    case 'conversion_name':
    case 'cfgname':
    case 'dictname':
    case 'dicts':
      return 'other';
    default:
      return null;
  }
}

/** @param form `part`: the last name is that of a part of the object, as in `public.t.column`. */
function partOf(names: readonly (string | null)[], index: number, of: NameKind, form: 'whole' | 'part', value: string): Use {
  const schemaAt = names.length - (form === 'part' ? 3 : 2);
  if (index === schemaAt) return { kind: 'qualifier', of, name: names[index + 1] ?? '', how: 'used' };
  return schemaAt === -1 && index === 0 && value !== '' && form === 'whole' ? { kind: 'bare', of } : OTHER;
}

function useInList(trail: Trail, names: readonly (string | null)[], index: number, option: string | null): Use {
  const value = names[index] ?? '';
  if (option === 'schemas') return { kind: 'schema' };
  if (option === 'owned_by') return partOf(names, index, 'relation', 'part', value);
  if (option !== null) return partOf(names, index, option === 'sequence_name' ? 'relation' : 'any', 'whole', value);
  const statement = trail.find(
    ({ holder }) => !Array.isArray(holder) && ['removeType', 'objtype', 'objectType', 'renameType'].some((field) => field in holder),
  );
  const told = (field: string): string | null => (statement === undefined ? null : text(statement.holder as Node, field));
  const type = (told('removeType') ?? told('renameType') ?? told('objtype') ?? told('objectType') ?? '').replace('OBJECT_', '');
  switch (type) {
    case 'COLUMN':
    case 'TABCONSTRAINT':
    case 'TRIGGER':
    case 'POLICY':
    case 'RULE':
      return partOf(names, index, 'relation', 'part', value);
    case 'OPCLASS':
    case 'OPFAMILY':
      // The access method comes first.
      return index === 0 ? OTHER : partOf(names.slice(1), index - 1, 'other', 'whole', value);
    case 'TABLE':
    case 'VIEW':
    case 'MATVIEW':
    case 'FOREIGN_TABLE':
    case 'INDEX':
    case 'SEQUENCE':
      return partOf(names, index, 'relation', 'whole', value);
    case 'TYPE':
    case 'DOMAIN':
      return partOf(names, index, 'type', 'whole', value);
    case 'FUNCTION':
    case 'PROCEDURE':
    case 'ROUTINE':
    case 'AGGREGATE':
      return partOf(names, index, 'routine', 'whole', value);
    case 'SCHEMA':
      return { kind: 'schema' };
    case 'EXTENSION':
      return OTHER;
    default:
      return partOf(names, index, 'any', 'whole', value);
  }
}

const REFERENCES: Readonly<Record<string, NameKind | 'schema'>> = {
  regclass: 'relation',
  regtype: 'type',
  regproc: 'routine',
  regprocedure: 'routine',
  regnamespace: 'schema',
  nextval: 'relation',
  setval: 'relation',
  currval: 'relation',
  pg_get_serial_sequence: 'relation',
  to_regclass: 'relation',
  to_regtype: 'type',
  to_regproc: 'routine',
  to_regprocedure: 'routine',
  to_regnamespace: 'schema',
};

/** A constant of an expression, or of a setting. */
function useOfConstant(trail: Trail): Use {
  const setting = trail.findLast(({ holder }) => !Array.isArray(holder) && text(holder as Node, 'name') === 'search_path' && 'args' in holder);
  if (setting !== undefined) return within(trail, 'AlterRoleSetStmt') || within(trail, 'AlterDatabaseSetStmt') ? { kind: 'shared' } : { kind: 'path' };
  let outer: Trail = trail.slice(0, -1);
  // `'public.t'::text`, and then perhaps `::regclass`.
  for (let cast = castAround(outer); cast !== null; cast = castAround(outer)) {
    const of = isOwn(cast.names) ? REFERENCES[cast.names.at(-1) ?? ''] : undefined;
    if (of !== undefined && /^reg/.test(cast.names.at(-1) ?? '')) return { kind: 'reference', of };
    outer = cast.outer;
  }
  const call = outer.at(-2)?.key === 'args' ? (outer.at(-2)?.holder as Node) : null;
  const called = call === null ? [] : list(call, 'funcname').map((one) => text(child(one, 'String'), 'sval') ?? '');
  if (call !== null && called.length > 0) {
    const of = isOwn(called) ? REFERENCES[called.at(-1) ?? ''] : undefined;
    if (of !== undefined && outer.at(-1)?.key === 0) return { kind: 'reference', of };
    if (called.at(-1) === 'set_config' && outer.at(-1)?.key === 1) {
      const first = text(child(child(list(call, 'args')[0], 'A_Const'), 'sval'), 'sval') ?? '';
      if (first.toLowerCase() === 'search_path') return { kind: 'pathList' };
    }
    return MAKES_DATA.test(called.at(-1) ?? '') ? OTHER : { kind: 'value' };
  }
  const { taker, isJoined } = takerOf(outer);
  if (isJoined ? !isData(taker) : isAssigned(taker)) return { kind: 'value' };
  const comparison = nearest(outer, 'rexpr');
  return comparison !== null && /"sval":"[^"]*(?:schema|nspname)[^"]*"/i.test(JSON.stringify(comparison['lexpr'] ?? null)) ? { kind: 'value' } : OTHER;
}

/** What takes an expression as it is, or joined with others by `||`. */
function takerOf(trail: Trail): { readonly taker: Trail; readonly isJoined: boolean } {
  let isJoined = false;
  let taker = trail;
  for (;;) {
    const at = taker.at(-1);
    const cast = castAround(taker);
    if (cast !== null) taker = cast.outer;
    else if (at?.key === 'defresult' || isJoin(at?.holder)) taker = taker.slice(0, -2);
    else if (at?.key === 'result' && taker.at(-2)?.key === 'CaseWhen') taker = taker.slice(0, -5);
    else if (taker.at(-3)?.key === 'CoalesceExpr') taker = taker.slice(0, -3);
    else return { taker, isJoined };
    isJoined ||= isJoin(at?.holder);
  }
}

function isJoin(holder: Holder | undefined): boolean {
  if (holder === undefined || Array.isArray(holder) || !('rexpr' in holder)) return false;
  return list(holder as Node, 'name').some((one) => text(child(one, 'String'), 'sval') === '||');
}

/** A variable of PL/pgSQL takes it: of the tree of `SELECT expression`. */
function isAssigned(trail: Trail): boolean {
  return trail[0]?.key === 'PLAssignStmt' && trail.length === 6 && trail[2]?.key === 'targetList';
}

/** Statements and parts of them by which a value comes into a column. */
const KEEPS_DATA = ['InsertStmt', 'UpdateStmt', 'MergeStmt', 'ColumnDef', 'Constraint', 'AlterTableCmd', 'IndexElem'];

/** Whether a column takes it, is compared with it, or a function that makes data. */
function isData(trail: Trail): boolean {
  const call = calledWith(trail);
  if (call !== null) return MAKES_DATA.test(call);
  return KEEPS_DATA.some((kind) => within(trail, kind)) || trail.some(({ holder }) => !Array.isArray(holder) && 'rexpr' in holder && !isJoin(holder));
}

/** The function that takes it. */
function calledWith(trail: Trail): string | null {
  const holder = trail.at(-2)?.key === 'args' ? trail.at(-2)?.holder : undefined;
  return text(child(list(holder as Node | undefined, 'funcname').at(-1), 'String'), 'sval');
}

/** What is given to these is a value for a column, not a name. */
const MAKES_DATA = /^(?:jsonb?_|array_|lower$|upper$|coalesce$)/;

/** PostgreSQL's own: without a schema, or with its. */
function isOwn(names: readonly string[]): boolean {
  return names.length === 1 || names[0] === 'pg_catalog';
}

function castAround(trail: Trail): { readonly names: readonly string[]; readonly outer: Trail } | null {
  const at = trail.at(-1);
  if (at?.key !== 'arg' || !('typeName' in at.holder)) return null;
  const names = list(child(at.holder as Node, 'typeName'), 'names').map((one) => text(child(one, 'String'), 'sval') ?? '');
  return { names, outer: trail.slice(0, -2) };
}
