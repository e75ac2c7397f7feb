import { expect, test } from 'vitest';

import { chooseConnection } from '../src/connection.ts';
import { MigrationError } from '../src/errors.ts';
import { failureResult } from '../src/fleet/report.ts';

test.each([
  ['There is no command "postgres://me:SECRET@h:5432/d".', 'There is no command "postgres://me:***@h:5432/d".'],
  ['There is no command "postgres://me:a@SECRET@h/d". Did you mean up?', 'There is no command "postgres://me:***@h/d". Did you mean up?'],
  ['"postgresql://me:SEC/RET@h/d"', '"postgresql://me:***@h/d"'],
  ['"postgres://me:my SECRET@h/d"', '"postgres://me:***@h/d"'],
  ['"postgres://me@clinic:SECRET@h/d"', '"postgres://me@clinic:***@h/d"'],
  ['cannot read /home/me/postgres:/me:SECRET@h/d', 'cannot read /home/me/postgres:/me:***@h/d'],
  ['"https://me:SECRET@h/d"', '"https://me:***@h/d"'],
  ['"host=h password=SECRET user=me"', '"host=h password=*** user=me"'],
  [`"host=h PASSWORD = 'a SECRET'"`, '"host=h PASSWORD = ***"'],
  ['postgres://h/d?password=SECRET&sslmode=require', 'postgres://h/d?password=***&sslmode=require'],
  ['give --url postgres://user:password@host:5432/database', 'give --url postgres://user:password@host:5432/database'],
  [
    'Cannot connect to postgres://me@h:5432/d%40x (from --url): ask it@clinic.org',
    'Cannot connect to postgres://me@h:5432/d%40x (from --url): ask it@clinic.org',
  ],
  ['a mail to it@clinic.org, at 12:30', 'a mail to it@clinic.org, at 12:30'],
])('%s', (text, expected) => {
  const error = new MigrationError({ code: 'invalidOptions', message: text, hint: text });
  expect(error.message).toBe(expected);
  expect(error.hint).toBe(expected);
});

function refusal(url: string): string {
  try {
    chooseConnection({ service: null, database: 'd', environment: { DATABASE_URL: url } });
  } catch (error) {
    if (error instanceof MigrationError) return `${error.message} ${error.hint}`;
  }
  return 'accepted';
}

test.each([
  'postgres://postgres:p@ss/wordSECRET@127.0.0.1:5432/t1',
  'postgres://postgres:1/SECRET@127.0.0.1:5432/t1',
  'postgres://postgres:p@SECRET?x@127.0.0.1:5432/t1',
  'postgres://postgres:p@ss/SECRET?sslmode=no@127.0.0.1/t1'.replace('SECRET?', 'SECRET@'),
])('a password with a character that ends the host is refused, and nothing of it is shown: %s', (url) => {
  const text = refusal(url);
  expect(text).toContain('write / as %2F');
  expect(text).not.toMatch(/SECRET|ss\b.*word/);
  expect(text).not.toContain('127.0.0.1');
});

test('a database with an @ in its name is written with %40', () => {
  const chosen = chooseConnection({ service: null, database: 'd', environment: { DATABASE_URL: 'postgres://me:a%2Fb@h/my%40db?application_name=a@b' } });
  expect(chosen?.settings).toMatchObject({ host: 'h', database: 'my@db' });
});

test.each([
  [{ host: 'postgres://u:SECRET@h/d' }, 'names a host that is a URL'],
  [{ host: 'u:SECRET@h' }, 'names a host that is a URL'],
  [{ user: 'postgres://u:SECRET@h/d' }, 'names a user that is a URL'],
  [{ database: 'postgres://u:SECRET@h/d' }, 'names a database that is a URL'],
])('a URL in the place of a part is refused: %j', (flags, expected) => {
  let message = '';
  try {
    chooseConnection({ service: null, database: 'd', environment: {}, flags });
  } catch (error) {
    ({ message } = error as Error);
  }
  expect(message).toContain(expected);
  expect(message).not.toContain('SECRET');
});

test("what the server says about a tenant's row is kept where nothing lists it", () => {
  const error = new MigrationError({ code: 'migrationFailed', message: 'duplicate', data: 'DETAIL: Key (name)=(Amal)' });
  const result = failureResult({ tenant: 'clinic_a', schema: 'clinic_a' }, error);
  expect(result.data).toBe('DETAIL: Key (name)=(Amal)');
  expect(JSON.stringify(result)).not.toContain('Amal');
});
