/** A table's columns, as CREATE TABLE takes them, and what has to be said of them afterwards. Pure. */

import { identifier } from '../../sql.ts';
import type { Node } from '../node.ts';
import type { ColumnRow, RelationRow } from '../rows/relations.ts';
import { HERE, type Text } from '../text.ts';
import { sequenceOptions } from './sequences.ts';

/** From here on CREATE TABLE takes the storage of a column. */
const WITH_STORAGE = 160_000;

/** @param inside Defaults that are made with the table, by their keys. */
export function columnDefinition(column: ColumnRow, server: number, inside: ReadonlyMap<string, Node>, identity: RelationRow | undefined): Text {
  const { name, type, collation, compression, generated, default_oid } = column;
  const words: Text[] = [[`${identifier(name)} ${type}`]];
  if (collation !== null) words.push([` COLLATE ${collation}`]);
  // Plain from the beginning, a table gets no TOAST table.
  if (column.storage !== null && server >= WITH_STORAGE) words.push([` STORAGE ${column.storage}`]);
  if (compression !== null) words.push([` COMPRESSION ${compression}`]);
  words.push([notNull(column)]);
  if (generated !== '') words.push([` GENERATED ALWAYS AS (${column.default ?? ''}) ${generated === 's' ? 'STORED' : 'VIRTUAL'}`]);
  const ownDefault = default_oid === null ? undefined : inside.get(`pg_attrdef:${default_oid}`);
  if (ownDefault?.clause != null) words.push([' DEFAULT '], ownDefault.clause.text);
  if (identity?.sequence != null) {
    const kind = column.identity === 'a' ? 'ALWAYS' : 'BY DEFAULT';
    // In its schema by name: older servers would look for it along the search path.
    words.push([` GENERATED ${kind} AS IDENTITY (SEQUENCE NAME `, HERE, `.${identifier(identity.name)} ${sequenceOptions(identity.sequence)})`]);
  }
  return words.flat();
}

function notNull({ not_null, not_null_constraint: constraint }: ColumnRow): string {
  if (!not_null || constraint?.valid === false) return '';
  if (constraint === null) return ' NOT NULL';
  return ` CONSTRAINT ${identifier(constraint.name)} NOT NULL${constraint.no_inherit ? ' NO INHERIT' : ''}`;
}

/** Storage, statistics and options; a NOT NULL that holds only for new rows. */
export function columnSettings(columns: readonly ColumnRow[], server: number): string[] {
  return columns.flatMap(({ name, storage, statistics, options, not_null_constraint: constraint }) => {
    const column = `ALTER COLUMN ${identifier(name)}`;
    const actions: string[] = [];
    if (storage !== null && server < WITH_STORAGE) actions.push(`${column} SET STORAGE ${storage}`);
    if (statistics !== null) actions.push(`${column} SET STATISTICS ${statistics}`);
    if (options !== null) actions.push(`${column} SET (${options.map(storageOption).join(', ')})`);
    if (constraint?.valid === false) {
      actions.push(`ADD CONSTRAINT ${identifier(constraint.name)} NOT NULL ${identifier(name)}${constraint.no_inherit ? ' NO INHERIT' : ''} NOT VALID`);
    }
    return actions;
  });
}

/** `fillfactor=70`, as PostgreSQL keeps it. */
export function storageOption(option: string): string {
  const at = option.indexOf('=');
  const name = at < 0 ? option : option.slice(0, at);
  return at < 0 ? identifier(name) : `${identifier(name)} = '${option.slice(at + 1).replaceAll("'", "''")}'`;
}
