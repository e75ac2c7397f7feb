/** Commands in messages, for the place that was typed. */

import { expect, test } from 'vitest';

import { located } from '../src/located.ts';

const place = { dir: './my migrations', url: 'postgres://me:SECRET@h/d' };
const at = '--dir "./my migrations" --url …';

test.each([
  ['accept the change with: migrate repair 0002', `accept the change with: migrate repair ${at} 0002`],
  [
    'migrate down --only 3, or accept with: migrate repair --mark-undone 3',
    `migrate down ${at} --only 3, or accept with: migrate repair ${at} --mark-undone 3`,
  ],
  ['look with: migrate status. Then run again', `look with: migrate status ${at}. Then run again`],
  ['look with `migrate status`, then', `look with \`migrate status ${at}\`, then`],
  ['Make one with: migrate create NAME --dir m', 'Make one with: migrate create NAME --dir m'],
  ['e.g. migrate create add_phone', 'e.g. migrate create --dir "./my migrations" add_phone'],
  ['Migrate users first: migrate up --service users', 'Migrate users first: migrate up --service users'],
  ['migrate status --tenant a --dir m', 'migrate status --tenant a --dir m'],
  ['migrate up --help shows what there is', 'migrate up --help shows what there is'],
  ['migrate tenants create a', 'migrate tenants create a'],
])('%s', (text, expected) => {
  expect(located(text, place)).toBe(expected);
  expect(located(text, {})).toBe(text);
  expect(located(text, { ...place, tenantSchemas: 'SELECT 1' })).toBe(text);
});

test('a flag that the command has already is not said twice, and what stands in the environment is not said', () => {
  expect(located('migrate adopt --from theirs --table schema_history, or', { table: 'theirs', host: 'h', port: '5433', envFile: 'a b.env' })).toBe(
    'migrate adopt --host h --port 5433 --env-file "a b.env" --from theirs --table schema_history, or',
  );
});

test('what is about one of several services says which, and which of its sources; an up is for all that was typed', () => {
  const patient = { service: 'patient', sources: 'one' } as const;
  const appointment = { service: 'appointment', sources: 'two' } as const;
  expect(located('accept it with: migrate repair 0003', {}, patient)).toBe('accept it with: migrate repair --service patient 0003');
  expect(located('migrate down --only 0003, or', { service: ['user', 'appointment'] }, appointment)).toBe(
    'migrate down --service appointment --source shared --only 0003, or',
  );
  expect(located('look with: migrate status', {}, appointment)).toBe('look with: migrate status --service appointment');
  expect(located('migrate redo', {}, { service: null, sources: 'two' })).toBe('migrate redo --source shared');
  expect(located('run again: migrate up', {}, patient)).toBe('run again: migrate up');
  expect(located('run again: migrate up', { service: ['user', 'patient'], source: 'shared' }, patient)).toBe(
    'run again: migrate up --service user,patient --source shared',
  );
  expect(located('Migrate user first: migrate up --service user', { service: ['patient'] }, patient)).toBe('Migrate user first: migrate up --service user');
});
