import { expect, test } from 'vitest';
import { answerTo, errorForLog } from '../src/problem.ts';

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
