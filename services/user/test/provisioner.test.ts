import { expect, test } from 'vitest';

import { lookAgainMs, unreadable, type Unreadable } from '../src/provisioner.ts';

test('the same reason counts up, another one begins anew, and an answer ends it', () => {
  const first = unreadable({ why: null, times: 0 }, 'ECONNREFUSED');
  expect(first).toEqual({ why: 'ECONNREFUSED', times: 1 });
  const second = unreadable(first, 'ECONNREFUSED');
  expect(second).toEqual({ why: 'ECONNREFUSED', times: 2 });
  expect(unreadable(second, '57P03')).toEqual({ why: '57P03', times: 1 });
  expect(unreadable(second, null)).toEqual({ why: null, times: 0 });
});

test('work that cannot be read is looked for less and less often, and never less than once in a minute', () => {
  const after = (times: number): number => lookAgainMs({ why: 'ECONNREFUSED', times } satisfies Unreadable);
  expect([0, 1, 2, 3, 40].map(after)).toEqual([2_000, 2_000, 4_000, 8_000, 60_000]);
});
