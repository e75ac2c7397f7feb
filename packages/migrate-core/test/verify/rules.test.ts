import { describe, expect, test } from 'vitest';

import { driftFindings } from '../../src/verify/drift.ts';
import { viewFindings } from '../../src/verify/access-rules.ts';
import { minimalInsert, type ColumnFacts } from '../../src/verify/minimal-row.ts';
import type { TenantFacts } from '../../src/verify/tenant-facts.ts';
import { Exceptions, mentions, mentionsObject, readsSetting, withoutComments } from '../../src/verify/tenant-rules.ts';

describe('a setting is read as it must be', () => {
  test.each([
    `nullif(current_setting('app.tenant', true), '')::uuid`,
    `(tenant_id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::uuid)`,
    `SELECT nullif (\n pg_catalog.current_setting( 'app.tenant' , TRUE ), '' )`,
  ])('by %j', (text) => {
    expect(readsSetting(text, 'app.tenant')).toBe(true);
  });

  test.each([
    `current_setting('app.tenant', true)::uuid`,
    `nullif(current_setting('app.tenant'), '')`,
    `nullif(current_setting('app.tenant', false), '')`,
    `nullif(current_setting('app.tenants', true), '')`,
    `nullif(current_setting('appxtenant', true), '')`,
    `nullif(current_setting('app.tenant', true), 'none')`,
  ])('not by %j', (text) => {
    expect(readsSetting(text, 'app.tenant')).toBe(false);
  });
});

test.each([
  ['SELECT * FROM patients p', 'patients', true],
  ['SELECT * FROM public.patients', 'patients', true],
  ['SELECT * FROM "patients"', 'patients', true],
  ['SELECT * FROM patients_log', 'patients', false],
  ['SELECT * FROM old_patients', 'patients', false],
  ['SELECT * FROM "My Table"', 'My Table', true],
  ['SELECT * FROM my table', 'My Table', false],
])('whether %j mentions %s: %j', (text, name, answer) => {
  expect(mentions(text, name)).toBe(answer);
});

test.each([
  ['SELECT total()', true],
  ['SELECT reports.total()', true],
  ['SELECT "reports" . "total" ()', true],
  ['SELECT postgres.reports.TOTAL()', true],
  ['FOR i IN 1..total() LOOP', true],
  ['SELECT other.total()', false],
  ['SELECT "my reports".total()', false],
  ['SELECT t.total FROM t', false],
  ['SELECT subtotal(), total_of()', false],
])('whether %j calls reports.total: %j', (text, answer) => {
  expect(mentionsObject(text, { schema: 'reports', name: 'total' }, String.raw`\s*\(`)).toBe(answer);
});

test.each([
  ["SELECT 1 -- it's patients", false],
  ["SELECT 1 /* it's\n patients */", false],
  ["SELECT '--' || name FROM patients", true],
  ["SELECT 'it''s /*', (SELECT count(*) FROM patients), '*/'", true],
])('whether %j mentions patients outside a comment: %j', (text, answer) => {
  expect(mentions(withoutComments(text), 'patients')).toBe(answer);
});

test('before PostgreSQL 15 a view is as good as its owner', () => {
  const view = (name: string, superuser: boolean) => ({
    oid: name,
    schema: 'public',
    name,
    kind: 'view' as const,
    invoker: false,
    owner: { name: 'o', superuser, bypasses: false },
    reading: true,
    relations: [],
    functions: [],
  });
  const facts = (serverVersion: number): TenantFacts => ({
    serverVersion,
    migrator: { name: 'm', superuser: true, bypasses: true },
    application: null,
    tables: [],
    views: [view('held', false), view('free', true)],
    functions: [],
  });
  expect(viewFindings(facts(140_011), new Exceptions([])).map((one) => one.object)).toEqual(['view free']);
  expect(viewFindings(facts(150_004), new Exceptions([])).map((one) => one.object)).toEqual(['view held', 'view free']);
});

describe('a row with as little in it as the table takes', () => {
  const column = (name: string, more: Partial<ColumnFacts> = {}): ColumnFacts => ({
    name,
    type: 'text',
    category: 'S',
    required: true,
    counted: false,
    generated: false,
    example: null,
    updatable: true,
    routes: false,
    ...more,
  });
  const table = { schema: 'public', name: 'a%b' };

  test('has the tenant, what is required, and nothing from a sequence', () => {
    const columns = [
      column('id', { type: 'bigint', category: 'N', required: false, counted: true }),
      column('tenant', { type: 'uuid', category: 'U' }),
      column('kind', { example: `it's 100%` }),
      column('note', { required: false }),
      column('key', { generated: true }),
    ];
    expect(minimalInsert(table, columns, 'tenant')).toBe(
      `INSERT INTO "public"."a%%b" ("id", "tenant", "kind") OVERRIDING SYSTEM VALUE VALUES (-1, %1$L, 'it''s 100%%')`,
    );
  });

  test('is none where a type has no value that is known', () => {
    expect(minimalInsert(table, [column('at', { type: 'point', category: 'G' })], 'tenant')).toBeNull();
  });
});

test('a long definition is not told, and a short one is', () => {
  const line = (value: string): { text: string; hash: string } => ({ text: `table t\tcolumn c\t\t${value}`, hash: value });
  expect(driftFindings(line('text'), line('integer'), 'whole')[0]?.message).toBe(
    'column c of table t is not as the applied migrations make it: text became integer',
  );
  expect(driftFindings(line('text'), line('x'.repeat(300)), 'whole')[0]?.message).toBe('column c of table t is not as the applied migrations make it');
});
