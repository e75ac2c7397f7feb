import { chooseConnection } from '@org/migrate-core';
import { expect, test } from 'vitest';
import { connectError } from '../src/connect-error.ts';

const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

function hintFor(environment: Readonly<Record<string, string>>): string {
  const connection = chooseConnection({ service: 'patient', database: 'patient_service_db', environment });
  if (connection === null) throw new Error('nothing was chosen');
  return connectError(refused, connection).hint ?? '';
}

test('a connection that single variables chose names them, and the way back to the local PostgreSQL', () => {
  const hint = hintFor({ PGPASSWORD: 'secret' });
  expect(hint).toContain('PGPASSWORD in the environment chose this server: without it (unset PGPASSWORD) it is the local PostgreSQL');
  expect(hint).not.toContain('secret');
  expect(hintFor({ DB_HOST: 'localhost', DB_PORT: '5432' })).toContain('unset DB_HOST DB_PORT');
});

test('an address is named as the variable that gave it, and so is the name that would count without it', () => {
  expect(hintFor({ PGHOSTADDR: '127.0.0.1' })).toContain('PGHOSTADDR in the environment chose this server: without it (unset PGHOSTADDR)');
  const both = hintFor({ PGHOST: 'elsewhere', PGHOSTADDR: '127.0.0.1', PGPORT: '1' });
  expect(both).toContain('unset PGHOST PGHOSTADDR PGPORT');
});

test('a connection of a URL needs no such words', () => {
  expect(hintFor({ DATABASE_URL: 'postgres://me@localhost:1/x' })).not.toContain('unset');
});

test('of a connection limit the server’s words tell whose it is', () => {
  const full = Object.assign(new Error('too many connections for role "app"'), { code: '53300' });
  const connection = chooseConnection({ service: 'patient', database: 'patient_service_db', environment: { DATABASE_URL: 'postgres://app@localhost:1/x' } });
  if (connection === null) throw new Error('nothing was chosen');
  const { message, hint } = connectError(full, connection);
  expect(message).toContain('no free connection (too many connections for role "app")');
  expect(hint).toContain('CONNECTION LIMIT of the role or the database');
});
