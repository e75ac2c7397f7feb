import { describe, expect, test } from 'vitest';

import { checkService, checkWorkspace } from '../src/definition.ts';

const right = { name: 'patient', migrations: './migrations', database: 'patient_db' };

describe('a service’s configuration', () => {
  test('is taken as it is when nothing is wrong', () => {
    expect(checkService({ ...right, history: { table: 'h' }, order: 'allow', schema: 'clinic', applicationRole: 'app' }, 'f')).toMatchObject({
      order: 'allow',
    });
  });

  test('with an unknown key is an error that names the key and the file', () => {
    expect(() => checkService({ ...right, databse: 'x' }, '/p/migrate.config.ts')).toThrow('/p/migrate.config.ts: unknown key "databse"');
    expect(() => checkService({ ...right, history: { tabel: 'x' } }, 'f')).toThrow('unknown key "tabel"');
  });

  test('with a key that is nearly a known one says which', () => {
    const tenancy = { mode: 'schema', migrations: './tenant-migrations' };
    expect(() => checkService({ ...right, tenancy: { ...tenancy, mode: undefined, mdoe: 'schema' } }, 'f')).toThrow('unknown key "mdoe": did you mean "mode"?');
    expect(() => checkService({ ...right, tenancy: { ...tenancy, Mode: 'schema' } }, 'f')).toThrow('unknown key "Mode": did you mean "mode"?');
    expect(() => checkService({ ...right, tenancy: { ...tenancy, requiredTabels: [] } }, 'f')).toThrow('did you mean "requiredTables"?');
    expect(() => checkService({ ...right, whatever: 1 }, 'f')).toThrow('unknown key "whatever" (known');
  });

  test('with one folder for both kinds of migrations is an error', () => {
    const both = (migrations: string): unknown => ({ ...right, tenancy: { mode: 'schema', migrations } });
    for (const folder of ['./migrations', 'migrations', './migrations/', './other/../migrations'])
      expect(() => checkService(both(folder), 'f')).toThrow('f: "migrations" and "tenancy.migrations" are the same folder (./migrations)');
    expect(checkService(both('./tenant-migrations'), 'f')).toMatchObject({ name: 'patient' });
  });

  test('tells every problem at once', () => {
    expect(() => checkService({ name: 'a b', order: 'loose', migrations: 3 }, 'f')).toThrow(
      /"name" must.*"migrations" must.*"database" is left out.*"order" must be one of: strict, allow/,
    );
  });

  test.each([undefined, null, 'text'])('that is %j is none', (value) => {
    expect(() => checkService(value, 'f')).toThrow('f has no default export that is a configuration');
  });
});

test('a workspace names the folders of its services', () => {
  expect(() => checkWorkspace({ services: 'services/*' }, 'w')).toThrow('"services" must be a list of folders');
  expect(checkWorkspace({ services: ['services/*'] }, 'w')).toEqual({ services: ['services/*'] });
});
