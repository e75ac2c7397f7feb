/** A fleet's document and its failures, as texts. */

import type { Failure, TenantResult } from '@org/migrate-core';
import { expect, test } from 'vitest';

import { resultTarget, ServicesDocument } from '../src/fleet/document.ts';
import { renderFailures } from '../src/fleet/failures.ts';
import { nearestWord } from '../src/nearest-word.ts';
import type { Output } from '../src/invocation.ts';
import { noColours } from '../src/render/colour.ts';

function written(): { readonly output: Output; readonly pieces: string[] } {
  const pieces: string[] = [];
  const none = (): void => undefined;
  return {
    pieces,
    output: { piece: (text) => pieces.push(text), document: none, line: none, log: none, colours: noColours, located: (text: string) => text, live: null },
  };
}

function failed(tenant: string, message: string, more: Partial<Failure> = {}): TenantResult {
  const failure: Failure = {
    name: '0002_b',
    version: '0002',
    code: 'migrationFailed',
    message,
    hint: null,
    position: null,
    statement: null,
    sqlState: '42P07',
    ...more,
  };
  return { tenant, schema: tenant, database: null, outcome: 'failed', applied: [], undone: [], failed: failure, durationMs: 3 };
}

test('a document of thousands of targets is written in parts, and is whole at its end', () => {
  const { output, pieces } = written();
  const document = new ServicesDocument(output);
  document.begin('a "service"');
  for (let index = 0; index < 2_000; index++) document.add(resultTarget(failed(`clinic_${index}`, 'no'), 'db', '/'));
  const before = pieces.length;
  expect(before).toBeGreaterThan(2);
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(70_000);
  document.close({ error: { code: 'connection' } });
  document.end();
  const { services } = JSON.parse(pieces.join('')) as { services: { service: string; targets: object[]; error: object }[] };
  expect(services[0]).toMatchObject({ service: 'a "service"', error: { code: 'connection' } });
  expect(services[0]?.targets).toHaveLength(2_000);
  expect(services[0]?.targets[7]).toMatchObject({ target: 'db.clinic_7', tenant: 'clinic_7', failed: { version: '0002', sqlState: '42P07' } });
});

test('a document without a target is one as well', () => {
  const { output, pieces } = written();
  const document = new ServicesDocument(output);
  document.begin('m');
  expect(document.begun).toBe(false);
  document.close();
  document.begin('n');
  document.add({ target: 'db' });
  document.close({ stopped: null });
  document.end();
  expect(JSON.parse(pieces.join(''))).toEqual({
    services: [
      { service: 'm', targets: [] },
      { service: 'n', targets: [{ target: 'db' }], stopped: null },
    ],
  });
});

test('tenants that failed alike are told together, also where the message names each one’s schema; the most frequent first', () => {
  const failures = [failed('odd', 'something else'), ...['b_1', 'b_2', 'b_3'].map((name) => failed(name, `relation "${name}.vendor" already exists`))];
  expect(renderFailures(failures, { colours: noColours, extent: 'first', cwd: '/', flags: '' })).toEqual([
    '',
    '✗ b_1, b_2, b_3 (told of b_1): relation "b_1.vendor" already exists (SQLSTATE 42P07)',
    '',
    '✗ odd: something else (SQLSTATE 42P07)',
  ]);
});

test('of very many different failures the first are told, and how many more there are', () => {
  const failures = Array.from({ length: 40 }, (_, index) => failed(`t_${index}`, `failure number ${'x'.repeat(index)}`));
  const told = renderFailures(failures, { colours: noColours, extent: 'first', cwd: '/', flags: '' });
  expect(told.filter((line) => line.startsWith('✗'))).toHaveLength(10);
  expect(told.at(-1)).toContain('30 more tenants');
  expect(renderFailures(failures, { colours: noColours, extent: 'all', cwd: '/', flags: '' }).filter((line) => line.startsWith('✗'))).toHaveLength(40);
});

test('an error that the server did not send has no SQLSTATE', () => {
  const [, line] = renderFailures([failed('a', 'stopped', { sqlState: 'aborted' })], { colours: noColours, extent: 'first', cwd: '/', flags: '' });
  expect(line).toBe('✗ a: stopped');
  expect(resultTarget(failed('a', 'stopped', { sqlState: 'aborted' }), 'db', '/')).toMatchObject({ failed: { sqlState: null } });
});

test.each([
  ['clinc_0001', 'clinic_0001'],
  ['clinic_0001x', 'clinic_0001'],
  ['nobody', null],
])('of the tenants, %s was meant to be %s', (typed, meant) => {
  expect(nearestWord(typed, ['clinic_0001', 'hospital_7'])).toBe(meant);
});

test('what the server says about a row is told of each tenant where it is asked for', () => {
  const clinics = ['clinic_a', 'clinic_b'].map((id) => ({ ...failed(id, 'duplicate'), data: `DETAIL: Key (name)=(Amal of ${id})` }));
  const style = { colours: noColours, extent: 'first', cwd: '/', flags: '' } as const;
  expect(renderFailures(clinics, style).join('\n')).not.toContain('Amal');
  const told = renderFailures(clinics, { ...style, showData: true }).join('\n');
  expect(told).toContain('clinic_a: DETAIL: Key (name)=(Amal of clinic_a)');
  expect(told).toContain('clinic_b: DETAIL: Key (name)=(Amal of clinic_b)');
});
