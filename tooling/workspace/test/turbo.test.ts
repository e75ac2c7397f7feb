import { describe, expect, test } from 'vitest';
import { findServices, inOrder, readLine, readSummary } from '../src/turbo.ts';

describe('turbo', () => {
  test('finds a service and what it depends on, in the order in which they migrate', async () => {
    expect(await findServices(['patient'])).toEqual({ services: ['user', 'patient'], complaint: '', code: 0 });
  });

  test('finds every service when nothing is named', async () => {
    expect((await findServices([])).services).toEqual(['user', 'patient', 'appointment']);
  });

  test('says what a filter did not find', async () => {
    const { services, complaint, code } = await findServices(['nobody']);
    expect([services, code]).toEqual([[], 1]);
    expect(complaint).toMatch(/nobody/);
  });

  test('a service comes after everything that it depends on, however the tasks are listed', () => {
    const task = (name: string, ...dependencies: string[]) => ({
      taskId: `${name}#migrate`,
      package: name,
      dependencies: dependencies.map((each) => `${each}#migrate`),
    });
    expect(inOrder([task('appointment', 'user', 'patient'), task('patient', 'user', 'core'), task('user')])).toEqual(['user', 'patient', 'appointment']);
  });

  test('a line that is not of its stream is not taken for one', () => {
    expect(readLine('{"source":"user#migrate","level":"stdout","timestamp":1,"text":"done"}')).toEqual({
      source: 'user#migrate',
      level: 'stdout',
      text: 'done',
    });
    expect([readLine(''), readLine('null'), readLine('{"text":1}'), readLine('WARNING {')]).toEqual([null, null, null, null]);
  });

  test('the failed services are those of its summary', () => {
    expect(readSummary('Failed:    user#migrate, patient#migrate')).toEqual(['user', 'patient']);
    expect([readSummary(''), readSummary(' Tasks:    1 successful, 2 total')]).toEqual([[], []]);
  });
});
