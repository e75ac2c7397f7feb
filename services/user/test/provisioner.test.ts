import { expect, test } from 'vitest';

import { lookAgainMs } from '../src/provisioner.ts';

test('work that cannot be read is looked for less often, and never less than once in five seconds', () => {
  expect([0, 1, 2, 3, 40].map(lookAgainMs)).toEqual([2_000, 2_000, 4_000, 5_000, 5_000]);
});
