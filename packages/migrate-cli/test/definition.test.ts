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
