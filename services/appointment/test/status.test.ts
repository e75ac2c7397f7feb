import { expect, test } from 'vitest';
import { mayBecome } from '../src/status.ts';

const statuses = ['scheduled', 'confirmed', 'completed', 'cancelled'];

test('an appointment goes forward, may be cancelled until it took place, and stays what it became', () => {
  const ways = statuses.flatMap((from) => statuses.filter((to) => from !== to && mayBecome(from, to)).map((to) => `${from} → ${to}`));
  expect(ways).toEqual(['scheduled → confirmed', 'scheduled → completed', 'scheduled → cancelled', 'confirmed → completed', 'confirmed → cancelled']);
  expect(statuses.every((one) => mayBecome(one, one))).toBe(true);
});
