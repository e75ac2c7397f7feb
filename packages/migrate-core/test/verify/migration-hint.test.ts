import { expect, test } from 'vitest';

import { qualified } from '../../src/sql.ts';
import type { VerifyFinding } from '../../src/verify/finding.ts';
import { asMigration } from '../../src/verify/migration-hint.ts';

function hintFor(hint: string | null, schema = 'clinic_a'): string | null {
  const finding: VerifyFinding = { code: 'rowSecurityNotForced', severity: 'error', object: 'table room', message: '', hint };
  return asMigration(finding, schema).hint;
}

test('a change is told as a migration, and the same for every tenant', () => {
  const told = ['clinic_a', 'Clinic "b"'].map((schema) => hintFor(`ALTER TABLE ${qualified(schema, 'room')} FORCE ROW LEVEL SECURITY`, schema));
  expect(new Set(told)).toEqual(new Set(['write a migration with: ALTER TABLE "room" FORCE ROW LEVEL SECURITY']));
});

test('an object of another schema keeps its name, and what is no migration’s matter its hint', () => {
  expect(hintFor(`ALTER TABLE ${qualified('audit', 'log')} FORCE ROW LEVEL SECURITY`)).toBe(
    'write a migration with: ALTER TABLE "audit"."log" FORCE ROW LEVEL SECURITY',
  );
  expect(hintFor('ALTER ROLE "app" NOBYPASSRLS')).toBe('ALTER ROLE "app" NOBYPASSRLS');
  expect(hintFor(null)).toBeNull();
});

test('a name with a control character is not something to type', () => {
  const hint = hintFor(`ALTER TABLE ${qualified('clinic_a', 'room\u001B[31m')} FORCE ROW LEVEL SECURITY`);
  expect(hint).not.toContain('ALTER');
  expect(hint).not.toContain('\u001B');
});
