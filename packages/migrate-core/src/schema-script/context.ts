/** What is asked of a schema's rows while its nodes are made. */

import { withoutArrayCasts } from './array-cast.ts';
import { namesSchema } from './names.ts';
import type { Access } from './rows/common.ts';
import type { ColumnRow, RelationRow } from './rows/relations.ts';
import type { SchemaRows } from './rows.ts';
import type { Text } from './text.ts';

/** `later`: the schema gets its default privileges when everything is made. `present`: it has them, and what is made in it gets them. */
export type DefaultPrivileges = 'later' | 'present';

export class Context {
  readonly schema: string;
  readonly rows: SchemaRows;
  readonly #relations: ReadonlyMap<string, RelationRow>;
  readonly #columns = new Map<string, ColumnRow[]>();
  readonly #comments = new Map<string, Map<number, string>>();
  /** From an object's key to that of the node that makes it. */
  readonly #nodes = new Map<string, string>();
  readonly #needs = new Map<string, Set<string>>();
  readonly #problems = new Set<string>();

  readonly #defaultPrivileges: DefaultPrivileges;

  constructor(schema: string, rows: SchemaRows, defaultPrivileges: DefaultPrivileges) {
    this.schema = schema;
    this.#defaultPrivileges = defaultPrivileges;
    this.rows = rows;
    this.#relations = new Map(rows.relations.map((one) => [one.oid, one]));
    for (const column of rows.columns) {
      const columns = this.#columns.get(column.relation);
      if (columns === undefined) this.#columns.set(column.relation, [column]);
      else columns.push(column);
    }
    for (const { key, part, text } of rows.comments) {
      const parts = this.#comments.get(key) ?? new Map<number, string>();
      this.#comments.set(key, parts.set(part, text));
    }
    this.#findNodes();
    this.#findNeeds();
  }

  relation(oid: string): RelationRow | undefined {
    return this.#relations.get(oid);
  }

  columns(relation: string): readonly ColumnRow[] {
    return this.#columns.get(relation) ?? [];
  }

  /** Taken once: what nobody takes in the end is told as a problem. */
  takeComment(key: string, part = 0): string | null {
    const text = this.#comments.get(key)?.get(part) ?? null;
    this.#comments.get(key)?.delete(part);
    return text;
  }

  needs(key: string): ReadonlySet<string> {
    return this.#needs.get(key) ?? new Set();
  }

  /** Something that a copy would not have, for people. */
  refuse(problem: string): void {
    this.#problems.add(problem);
  }

  /** What PostgreSQL wrote, so that it reads it as it was. Refuses texts that name the schema itself: a copy's would name this one. */
  check(id: string, text: Text): Text {
    return text.map((piece) => {
      if (typeof piece !== 'string') return piece;
      if (namesSchema(piece, this.schema)) this.refuse(`${id} names its own schema in a string`);
      return withoutArrayCasts(piece);
    });
  }

  /** What an object is granted by being made. */
  inForce({ now, usual, here }: Access): Pick<Access, 'now' | 'usual'> {
    return { now, usual: this.#defaultPrivileges === 'later' ? usual : [...usual, ...here] };
  }

  /** Version of the server: `180004`. */
  get server(): number {
    return this.rows.schema.server;
  }

  problems(): readonly string[] {
    const comments = [...this.#comments].filter(([, parts]) => parts.size > 0).map(([key]) => `a comment on ${key}`);
    return [...this.#problems, ...this.rows.strangers, ...comments];
  }

  #findNodes(): void {
    const { relations, columns, constraints, indexes, types, routines, rules, dependencies } = this.rows;
    const nodes = this.#nodes;
    for (const { oid, owned } of relations) nodes.set(`pg_class:${oid}`, owned?.[2] === 'i' ? `pg_class:${owned[0]}` : `pg_class:${oid}`);
    for (const type of types) nodes.set(`pg_type:${type.oid}`, `pg_type:${type.oid}`);
    for (const { oid, relation } of types) {
      if (relation === '0') continue;
      if (this.#relations.get(relation)?.kind === 'c') nodes.set(`pg_class:${relation}`, `pg_type:${oid}`);
      else nodes.set(`pg_type:${oid}`, `pg_class:${relation}`);
    }
    for (const { oid, range } of types) if (range !== '0') nodes.set(`pg_type:${oid}`, `pg_type:${range}`);
    for (const { oid, element } of types) if (element !== '0') nodes.set(`pg_type:${oid}`, nodes.get(`pg_type:${element}`) ?? '');
    for (const { oid, constraint } of indexes) nodes.set(`pg_class:${oid}`, constraint === '0' ? `pg_class:${oid}` : `pg_constraint:${constraint}`);
    for (const { oid, kind, relation, type } of constraints) {
      const host = relation === '0' ? `pg_type:${type}` : `pg_class:${relation}`;
      nodes.set(`pg_constraint:${oid}`, kind === 'n' ? host : `pg_constraint:${oid}`);
    }
    for (const { relation, default_oid, generated } of columns) {
      if (default_oid !== null) nodes.set(`pg_attrdef:${default_oid}`, generated === '' ? `pg_attrdef:${default_oid}` : `pg_class:${relation}`);
    }
    for (const { oid, is_view, relation } of rules) nodes.set(`pg_rewrite:${oid}`, is_view ? `pg_class:${relation}` : `pg_rewrite:${oid}`);
    for (const { oid } of routines) nodes.set(`pg_proc:${oid}`, `pg_proc:${oid}`);
    // The constructors of a range.
    for (const { from, to, kind } of dependencies) if (kind === 'i' && from.startsWith('pg_proc:')) nodes.set(from, nodes.get(to) ?? to);
  }

  #findNeeds(): void {
    for (const { from, to, kind } of this.rows.dependencies) {
      // What a partition has from its parent is said by attaching it.
      if (kind === 'P' || kind === 'S') continue;
      const needing = this.#nodes.get(from) ?? from;
      const needed = this.#nodes.get(to) ?? to;
      if (needing === needed) continue;
      // A sequence is made before the column that will own it.
      if (kind === 'a' && this.#relations.get(from.slice('pg_class:'.length))?.kind === 'S') continue;
      const needs = this.#needs.get(needing);
      if (needs === undefined) this.#needs.set(needing, new Set([needed]));
      else needs.add(needed);
    }
  }
}
