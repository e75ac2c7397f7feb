import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { readCatalog } from '../src/catalog.ts';
import { auditTable, disableRowLevelSecurity, enableRowLevelSecurity, stopAuditingTable, type PgmName } from '../src/pgm.ts';
import { Session } from '../src/session.ts';
import { verifyRowLevelSecurity } from '../src/verify/row-level-security.ts';
import { folder, migratorOn } from './support/target.ts';

/** What a helper writes. */
function written(work: (pgm: { sql(text: string): void }) => void): string {
  const statements: string[] = [];
  work({ sql: (text) => void statements.push(text) });
  return statements.join(';\n');
}

const hostile = 'a"; DROP TABLE victim; --{b} $1';

test.for<readonly [string, PgmName, string]>([
  ['a plain name', 'notes', 'notes'],
  ['a name with its schema', { schema: 'Other "one"', name: 'notes' }, '"Other ""one"""."notes"'],
  ['a hostile name', hostile, `"${hostile.replaceAll('"', '""')}"`],
])('%s: isolated, audited, and as it was before after the inverses', async ([, table, sql]) => {
  await using db = await testDatabase();
  const client = await db.connect();
  await client.query(`CREATE SCHEMA "Other ""one"""; CREATE TABLE victim (); CREATE TABLE ${sql} (tenant uuid NOT NULL); CREATE INDEX ON ${sql} (tenant);
    CREATE FUNCTION "write it"() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`);
  const schema = typeof table === 'string' ? 'public' : (table.schema ?? 'public');
  const before = await readCatalog(client, { schema });
  await client.query(written((pgm) => enableRowLevelSecurity(pgm, table, { column: 'tenant', tenant: { setting: 'its.tenant', type: 'uuid' } })));
  await client.query(written((pgm) => auditTable(pgm, table, { function: { schema: 'public', name: 'write it' }, log: `o'log`, withheld: ['secret'] })));
  const { findings } = await verifyRowLevelSecurity(new Session(client as never, 'borrowed'), {
    schema,
    definition: { column: 'tenant', setting: 'its.tenant', audit: { functions: ['write it'], logs: [] }, allow: ['victim'] },
    applicationRole: null,
    probe: 'none',
  });
  expect(findings.filter((one) => one.severity === 'error')).toEqual([]);
  await client.query(written((pgm) => stopAuditingTable(pgm, table)));
  await client.query(written((pgm) => disableRowLevelSecurity(pgm, table)));
  expect((await readCatalog(client, { schema })).text).toBe(before.text);
});

test('the function that answers the tenant is quoted as a name, and a type must be one', () => {
  const by = (tenant: Parameters<typeof enableRowLevelSecurity>[2]['tenant']): string =>
    written((pgm) => enableRowLevelSecurity(pgm, 't', { column: 'c', tenant }));
  expect(by({ function: { schema: 's', name: 'f' } })).toContain('USING ("c" = "s"."f"()) WITH CHECK ("c" = "s"."f"())');
  expect(by({ setting: 'app.t', type: 'character varying(20)' })).toContain(`nullif(pg_catalog.current_setting('app.t', true), '')::character varying(20)`);
  expect(() => by({ setting: 'app.t', type: 'uuid OR true' + ';' })).toThrow('is not the name of a type');
});

test('a migration in TypeScript uses them, and a down cannot be inferred from them', async () => {
  await using db = await testDatabase();
  const pgm = new URL('../src/pgm.ts', import.meta.url).pathname;
  await using files = await folder({
    'package.json': '{ "type": "module" }',
    '0001_notes.ts': `import { enableRowLevelSecurity } from '${pgm}';
export function up(pgm: any) { pgm.createTable('notes', { tenant: 'uuid' }); enableRowLevelSecurity(pgm, 'notes', { column: 'tenant', tenant: { setting: 'app.t', type: 'uuid' } }); }`,
  });
  const { migrator } = migratorOn(db, files.path);
  expect((await migrator.up()).outcome).toBe('applied');
  await expect(migrator.down()).rejects.toThrow('its module has no down, and none can be inferred');
});
