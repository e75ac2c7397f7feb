import { MigrationError } from '@org/migrate-core';
import { expect, test } from 'vitest';
import { answerTo, errorForLog, fieldOf } from '../src/problem.ts';
import { explain } from '../src/service.ts';

test('what the database refuses has a status', () => {
  const statuses = ['23505', '23503', '23514', '22007', 'P0001', '42501', '55P03', '57014', '08006', '42703'].map(
    (code) => answerTo(code, 'POST')?.status ?? null,
  );
  expect(statuses).toEqual([409, 422, 422, 422, 422, 404, 503, 503, 503, null]);
  expect(answerTo('23503', 'DELETE')?.status).toBe(409);
});

test('the log keeps where an error was, and no data', () => {
  const error = Object.assign(new Error('invalid input syntax for type date: "Amina"'), {
    code: '22007',
    severity: 'ERROR',
    detail: 'Failing row contains (Amina, …)',
    where: 'PL/pgSQL function with Amina',
    constraint: 'patients_check',
  });
  const logged = JSON.stringify(errorForLog(error));
  expect(logged).not.toContain('Amina');
  expect(logged).toContain('patients_check');
});

test('a refused value is known by its field, and never by itself', () => {
  expect(fieldOf({ table: 'healthcare_entities', constraint: 'healthcare_entities_postal_code_check' })).toBe('postal_code');
  expect(fieldOf({ table: 'users', column: 'email' })).toBe('email');
  expect(fieldOf({ table: 'users', constraint: 'something_else' })).toBe('');
  expect(fieldOf({})).toBe('');
});

test('what stops a start says where in which file it is', () => {
  const position = { file: 'services/user/migrations/0099_bad.sql', line: 1, column: 1 };
  const error = new MigrationError({ code: 'invalidOptions', message: 'this is no SQL', hint: 'correct it', position: position as never });
  expect(explain(error)).toBe('services/user/migrations/0099_bad.sql:1:1: this is no SQL\ncorrect it');
});
