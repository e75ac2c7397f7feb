/** What a source makes in its own schema: only such names are the tenants'. Pure. */

import type { Node } from '../parser.ts';
import { child, flag, list, text } from '../tree.ts';

/** `any`: where the tree does not tell. */
export type NameKind = 'relation' | 'type' | 'routine' | 'operator' | 'other' | 'any';

/** PostgreSQL's own names for what comes with a table, and the numbers that it puts behind one that is taken. */
const WITH_TABLE = /_(?:pkey|key|idx|excl|seq)\d*$/;
const LONGEST_NAME = 63;

export class CreatedNames {
  readonly #names = new Map<NameKind, Set<string>>();
  /** Whether something may be made that nobody can see: by dynamic SQL, or by a module that asks the database first. */
  #complete = true;

  add(kind: NameKind, name: string): void {
    const names = this.#names.get(kind) ?? new Set();
    this.#names.set(kind, names.add(name));
  }

  addIncomplete(): void {
    this.#complete = false;
  }

  addAll(others: CreatedNames): void {
    for (const [kind, names] of others.#names) for (const name of names) this.add(kind, name);
    if (!others.#complete) this.#complete = false;
  }

  get complete(): boolean {
    return this.#complete;
  }

  has(kind: NameKind, name: string): boolean {
    switch (kind) {
      case 'relation':
        return this.#in('relation', name) || this.#in('type', name) || this.#comesWithTable(name);
      case 'type':
        // Each table has a row type, and each type an array.
        return this.#in('type', name) || this.#in('relation', name) || (name.startsWith('_') && this.has('type', name.slice(1)));
      case 'any':
        return [...this.#names.values()].some((names) => names.has(name));
      case 'routine':
      case 'operator':
      case 'other':
        return this.#in(kind, name) || this.#in('any', name);
    }
  }

  #in(kind: NameKind, name: string): boolean {
    return this.#names.get(kind)?.has(name) === true || (kind !== 'any' && this.#names.get('any')?.has(name) === true);
  }

  #comesWithTable(name: string): boolean {
    const suffix = WITH_TABLE.exec(name)?.[0];
    if (suffix === undefined) return false;
    const stem = name.slice(0, -suffix.length);
    const cut = Buffer.byteLength(name) >= LONGEST_NAME - 1;
    for (const table of this.#names.get('relation') ?? []) {
      if (stem === table || stem.startsWith(`${table}_`) || (cut && stem.startsWith(table.slice(0, 20)))) return true;
    }
    return false;
  }
}

/** Of names with a schema, only those of `public`. */
function own(names: readonly Node[]): string | null {
  const parts = names.map((one) => text(child(one, 'String'), 'sval') ?? '');
  return parts.length === 1 || parts.at(-2) === 'public' ? (parts.at(-1) ?? null) : null;
}

function ownRelation(relation: Node): string | null {
  const schema = text(relation, 'schemaname');
  return (schema === null || schema === 'public') && text(relation, 'relpersistence') !== 't' ? text(relation, 'relname') : null;
}

/** Adds what the statements of a syntax tree make, wherever in it they stand; bodies are texts, and not looked into. */
export function addCreated(tree: unknown, into: CreatedNames): void {
  if (Array.isArray(tree)) {
    for (const one of tree) addCreated(one, into);
    return;
  }
  if (typeof tree !== 'object' || tree === null) return;
  for (const [kind, node] of Object.entries(tree)) {
    if (typeof node !== 'object' || node === null) continue;
    if (/^[A-Z]/.test(kind)) addOne(kind, node as Node, into);
    addCreated(node, into);
  }
}

function addOne(kind: string, node: Node, into: CreatedNames): void {
  const add = (of: NameKind, name: string | null): void => {
    if (name !== null && name !== '') into.add(of, name);
  };
  switch (kind) {
    case 'CreateStmt':
      return add('relation', ownRelation(child(node, 'relation')));
    case 'CreateForeignTableStmt':
      return add('relation', ownRelation(child(child(node, 'base'), 'relation')));
    case 'ViewStmt':
      return add('relation', ownRelation(child(node, 'view')));
    case 'CreateSeqStmt':
      return add('relation', ownRelation(child(node, 'sequence')));
    case 'CreateTableAsStmt':
      return add('relation', ownRelation(child(child(node, 'into'), 'rel')));
    case 'SelectStmt':
      return add('relation', ownRelation(child(child(node, 'intoClause'), 'rel')));
    case 'CompositeTypeStmt':
      return add('type', ownRelation(child(node, 'typevar')));
    case 'CreateEnumStmt':
      return add('type', own(list(node, 'typeName')));
    case 'CreateDomainStmt':
      return add('type', own(list(node, 'domainname')));
    case 'CreateRangeStmt': {
      const name = own(list(node, 'typeName'));
      if (name === null) return;
      const several = name.includes('range') ? name.replace('range', 'multirange') : `${name}_multirange`;
      for (const one of [name, several]) {
        add('type', one);
        add('routine', one);
      }
      return;
    }
    case 'DefineStmt': {
      const type = text(node, 'kind') ?? '';
      const of = type === 'OBJECT_AGGREGATE' ? 'routine' : type === 'OBJECT_OPERATOR' ? 'operator' : type === 'OBJECT_TYPE' ? 'type' : 'other';
      return add(of, own(list(node, 'defnames')));
    }
    case 'CreateFunctionStmt':
      return add('routine', own(list(node, 'funcname')));
    case 'CreateStatsStmt':
      return add('other', own(list(node, 'defnames')));
    case 'CreateOpClassStmt':
      return add('other', own(list(node, 'opclassname')));
    case 'CreateOpFamilyStmt':
      return add('other', own(list(node, 'opfamilyname')));
    case 'CreateConversionStmt':
      return add('other', own(list(node, 'conversion_name')));
    case 'IndexStmt':
      return ownRelation(child(node, 'relation')) === null ? undefined : add('relation', text(node, 'idxname'));
    case 'Constraint':
      return /_(?:PRIMARY|UNIQUE|EXCLUSION)$/.test(text(node, 'contype') ?? '') ? add('relation', text(node, 'conname')) : undefined;
    case 'DefElem':
      return text(node, 'defname') === 'sequence_name' ? add('relation', own(list(child(child(node, 'arg'), 'List'), 'items'))) : undefined;
    case 'RenameStmt':
      return addRenamed(node, into);
    case 'AlterObjectSchemaStmt':
      return text(node, 'newschema') === 'public' ? add('any', lastName(node)) : undefined;
    case 'ImportForeignSchemaStmt':
      if (text(node, 'local_schema') === 'public') into.addIncomplete();
      return;
    default:
      return;
  }
}

/** What is renamed has to be the source's own under its old name. */
function addRenamed(node: Node, into: CreatedNames): void {
  const type = text(node, 'renameType') ?? '';
  const name = text(node, 'newname');
  const before = type === 'OBJECT_TABCONSTRAINT' ? text(child(node, 'relation'), 'relname') : lastName(node);
  if (name === null || before === null || /COLUMN|ATTRIBUTE|SCHEMA|ROLE|TRIGGER|POLICY|RULE|DATABASE|DOMCONSTRAINT/.test(type)) return;
  if (into.has('any', before) || into.has('relation', before) || flag(node, 'missing_ok')) into.add(type === 'OBJECT_TABCONSTRAINT' ? 'relation' : 'any', name);
}

/** Of the object of an ALTER: a relation, a list of names, or one with arguments. */
function lastName(node: Node): string | null {
  const relation = text(child(node, 'relation'), 'relname');
  if (relation !== null) return relation;
  const object = child(node, 'object');
  const names = [...list(child(object, 'List'), 'items'), ...list(child(object, 'ObjectWithArgs'), 'objname'), ...list(child(object, 'TypeName'), 'names')];
  return text(child(names.at(-1), 'String'), 'sval');
}
