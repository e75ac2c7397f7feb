/**
 * The fingerprint of a schema: everything that its definition holds, as text that is equal for equal schemas, whatever their oids, the order in
 * which they were built, the schema's name and the search path. Of objects in other schemas the names are told as the definitions use them.
 */

import { createHash } from 'node:crypto';
import { type CatalogRow, catalogQuery, type Grant } from './catalog/query.ts';
import { readLines, writeLine } from './catalog/line.ts';

export { type CatalogDifference, describeDifference, diffCatalogs } from './catalog/difference.ts';

/** The smallest thing that can answer: `pg.Client` is one. Any transaction it is in goes on undisturbed. */
export interface CatalogReader {
  query(text: string, values: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

export interface CatalogOptions {
  readonly schema: string;
  /** Tables and sequences to leave out, with everything on them: the history's own. Default none. */
  readonly exclude?: readonly string[] | undefined;
}

export interface Catalog {
  /** One line for each object, part and aspect, sorted; empty for a schema that does not exist. */
  readonly text: string;
  /** SHA-256 of the text, in hex. */
  readonly hash: string;
}

/**
 * Reads one schema's catalogue with one query. Writes nothing and takes no lock but those of reading the system catalogues.
 * Told: tables, views, materialized views, foreign tables, columns and their order, constraints, indexes, triggers, rules, policies, sequences,
 * statistics, types, domains, functions, procedures, aggregates, operators and their classes, collations, text search, and for each its comment,
 * its grants beyond the usual, and its owner where that is not the role that reads. Of the database: the extensions, by name.
 * Not told: what belongs to an extension, the names of NOT NULL constraints (only PostgreSQL 18 keeps them), and what a partition has from its parent.
 */
export async function readCatalog(reader: CatalogReader, options: CatalogOptions): Promise<Catalog> {
  const { rows } = await reader.query(catalogQuery, [options.schema, options.exclude ?? []]);
  const { entries } = rows[0] as { entries: string | null };
  return catalogFrom(entries, options.schema);
}

/** A schema's catalogue from the query's answer: `null` where there is no such schema. */
export function catalogFrom(entries: string | null, schema: string): Catalog {
  const parsed = entries === null ? [] : (JSON.parse(entries) as CatalogRow[]);
  return catalogOf(parsed.flatMap((row) => linesOf(row, schema)));
}

/**
 * Reads every schema of the database but the system's. A line of a schema other than `public` begins with the schema's name, so that such a catalogue is
 * compared only with one of another database.
 */
export async function readDatabaseCatalog(reader: CatalogReader, options: { readonly exclude?: readonly string[] | undefined } = {}): Promise<Catalog> {
  const { rows } = await reader.query(
    String.raw`SELECT n.nspname::pg_catalog.text AS schema FROM pg_catalog.pg_namespace n
      WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND d.objid = n.oid AND d.deptype = 'e')`,
    [],
  );
  const lines: string[] = [];
  for (const { schema } of rows as { schema: string }[]) {
    const { text } = await readCatalog(reader, { schema, exclude: options.exclude });
    for (const line of readLines(text)) {
      const database = line.object.startsWith('extension ');
      lines.push(writeLine(schema === 'public' || database ? line : { ...line, object: `${quotedName(schema)}: ${line.object}` }));
    }
  }
  return catalogOf([...new Set(lines)]);
}

function catalogOf(lines: readonly string[]): Catalog {
  // By code unit: a collation would order the same names otherwise on another machine.
  const text = lines.toSorted((a, b) => (a < b ? -1 : Number(a > b))).join('\n');
  return { text, hash: createHash('sha256').update(text).digest('hex') };
}

function linesOf(row: CatalogRow, schema: string): string[] {
  const [kind, name, partKind, partName, definition, comment, owner, grants, usual, settings] = row;
  const object = name === null ? kind : `${kind} ${nameOf(kind, name)}`;
  const part = partKind === null ? '' : partName === null ? partKind : `${partKind} ${quotedName(partName)}`;
  const lines: string[] = [];
  const add = (aspect: string, value: string): void => {
    lines.push(writeLine({ object, part, aspect, value }));
  };
  if (definition !== null)
    add('', [/^(?:function|procedure)$/.test(kind) ? withoutOwnSchema(definition, schema) : definition, ...settingsOf(settings ?? [], schema)].join(' '));
  // PostgreSQL gives the schema public a comment of its own.
  if (comment !== null && !(kind === 'schema' && comment === 'standard public schema')) add('comment', comment);
  if (owner !== null) add('owner', owner);
  if (grants !== null && usual !== null) {
    for (const [grantee, privileges] of unusualGrants(grants, usual)) add(`grants to ${grantee}`, privileges);
  }
  return lines;
}

/** A function's or an operator's name came with its argument types, quoted by the server where that is needed. */
function nameOf(kind: string, name: string): string {
  return /^(function|procedure|aggregate|operator|operator class|default privileges)$/.test(kind) ? name : quotedName(name);
}

/** As PostgreSQL quotes, but without its list of keywords, which grows with its version. */
export function quotedName(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/**
 * A function's body is a text, in which the schema may name itself. Without quotes only `public` is taken for one: any other such word may be an
 * alias.
 */
function withoutOwnSchema(definition: string, schema: string): string {
  const named = `"${schema.replaceAll('"', '""')}"`;
  const inString = named.replaceAll("'", "''");
  const own = [...new Set([named, inString, ...(schema === 'public' ? ['public'] : [])])].map((one) => one.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&'));
  return definition.replaceAll(new RegExp(`(?<![\\w$."])(?:${own.join('|')})\\s*\\.(?=\\s*["\\w])`, 'g'), '(this schema).');
}

/** Settings of a function, in which the schema may name itself. */
function settingsOf(settings: readonly string[], schema: string): string[] {
  return settings.toSorted().map((setting) => {
    const [key, value] = split(setting, '=');
    if (key !== 'search_path') return `set ${setting}`;
    const path = value.split(/,\s*(?=(?:[^"]*"[^"]*")*[^"]*$)/).map((item) => {
      // SET … FROM CURRENT keeps quotes that nobody needs.
      const plain = item.startsWith('"') ? item.slice(1, -1).replaceAll('""', '"') : item;
      return plain === schema ? '(this schema)' : quotedName(plain);
    });
    return `set search_path=${path.join(', ')}`;
  });
}

function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** What differs from the grants that such an object has by itself. `none` where those were revoked; `all` whatever a version counts as all. */
function unusualGrants(grants: readonly Grant[], usual: readonly Grant[]): [string, string][] {
  const all = new Set(usual.filter((grant) => grant[1]).map((grant) => grant[2]));
  const now = byGrantee(grants, all);
  const before = byGrantee(usual, all);
  return [...new Set([...now.keys(), ...before.keys()])]
    .filter((grantee) => now.get(grantee) !== before.get(grantee))
    .map((grantee) => [grantee, now.get(grantee) ?? 'none']);
}

function byGrantee(grants: readonly Grant[], all: ReadonlySet<string>): Map<string, string> {
  const held = new Map<string, Map<boolean, Set<string>>>();
  for (const [name, isOwner, privilege, grantable] of grants) {
    const grantee = name === null ? 'public' : isOwner ? 'the owner' : quotedName(name);
    const kinds = held.get(grantee) ?? new Map<boolean, Set<string>>();
    held.set(grantee, kinds.set(grantable, (kinds.get(grantable) ?? new Set()).add(privilege)));
  }
  return new Map(
    [...held].map(([grantee, kinds]) => {
      const words = [...kinds]
        .toSorted(([a], [b]) => Number(a) - Number(b))
        .map(([grantable, privileges]) => {
          const every = all.size > 0 && [...all].every((privilege) => privileges.has(privilege));
          return `${every ? 'all' : [...privileges].toSorted().join(', ')}${grantable ? ' with grant option' : ''}`;
        });
      return [grantee, words.join('; ')];
    }),
  );
}
