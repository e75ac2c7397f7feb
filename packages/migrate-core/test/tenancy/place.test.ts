import { expect, test } from 'vitest';

import { archiveName, formerPlace, nameWith, placeOf, provisionalName } from '../../src/tenancy/place.ts';
import { outdated } from '../../src/tenancy/template.ts';

const place = (id: string, name: (id: string) => string = (one) => one): string => placeOf(id, 'schema', name, ['extensions']);

test('a name that is too long for its suffix is cut between characters', () => {
  expect(nameWith('clinic', '_end')).toBe('clinic_end');
  expect(nameWith('x'.repeat(63), '_end')).toBe(`${'x'.repeat(59)}_end`);
  expect(nameWith('😀'.repeat(20), '_end')).toBe(`${'😀'.repeat(14)}_end`);
  expect(Buffer.byteLength(provisionalName('ü'.repeat(40), 'replay'))).toBeLessThanOrEqual(63);
});

test('what an archived place was called before is in its name, where there was room for it; else it is asked', () => {
  const now = new Date('2026-11-21T10:00:00Z');
  const never = (): string => {
    throw new Error('asked');
  };
  for (const name of ['clinic', 'a_archived_20260101_0123456789', 'x'.repeat(30), 'ü'.repeat(10)])
    expect(formerPlace(archiveName(name, now), never)).toBe(name);
  for (const name of ['x'.repeat(63), '😀'.repeat(15), 'x'.repeat(32)]) expect(formerPlace(archiveName(name, now), () => name)).toBe(name);
  // Another name of today is none that this one was.
  expect(formerPlace(archiveName('x'.repeat(32), now), () => 'clinic')).toBe('x'.repeat(32));
  expect(formerPlace('clinic', never)).toBe('clinic');
});

test('no two archives have the same name', () => {
  const day = new Date('2026-11-21T10:00:00Z');
  const names = Array.from({ length: 100 }, () => archiveName('x'.repeat(63), day));
  expect(new Set(names).size).toBe(100);
  expect(names.every((name) => Buffer.byteLength(name) === 63 && name.includes('_archived_20261121_'))).toBe(true);
});

test('a place is what the service says, once it can be one', () => {
  expect(place('Clinic A')).toBe('Clinic A');
  expect(place('7', (id) => `clinic_${id}`)).toBe('clinic_7');
  expect(placeOf('7', 'database', undefined, [])).toBe('7');
  for (const [id, why] of [
    ['', 'it is empty'],
    ['a\0', 'NUL'],
    [' ', 'it is blank'],
    ['\u00a0', 'it is blank'],
    [' a', 'begins or ends with a blank'],
    ['a ', 'begins or ends with a blank'],
    ['a\nb', 'a line break'],
    ['a\u2028b', 'a line break'],
    ['\u001b[31ma', 'a control character'],
    ['a\u0085b', 'a control character'],
    ['a\u202eb', 'direction of writing'],
    ['\udc00', 'Unicode'],
    ['x'.repeat(64), 'more than 63 bytes'],
    ['x'.repeat(1_001), 'more than 1000 bytes'],
    ['extensions', 'its own things'],
    ['pg_x', 'the system’s'],
    ['visits_tpl_0123456789abcdef0123', 'templates'],
  ] as const)
    expect(() => place(id)).toThrow(why);
  expect(() => place('a', () => undefined as unknown as string)).toThrow('something else than a name');
  expect(place('x'.repeat(1_000), () => 'short')).toBe('short');
});

test('of templates the present one and the newest other one are kept', () => {
  const templates = [3, 1, 4, 2].map((day) => ({ name: `t${day}`, comment: `made 2026-11-0${day}` }));
  expect(outdated(templates, 't4')).toEqual(['t2', 't1']);
  expect(outdated(templates, 't1')).toEqual(['t3', 't2']);
  expect(outdated([], 't1')).toEqual([]);
});
