import { expect, test, vi } from 'vitest';

import { compileModule } from '../../src/source/pgm.ts';

// The limit is a minute: time passes faster here.
vi.mock('node:timers/promises', () => ({ setTimeout: (_: number, value: unknown) => new Promise((resolve) => setTimeout(resolve, 20, value)) }));

test('a function that never calls its second argument is given up, and says so', async () => {
  const up = (_: unknown, run: () => void): void => void run;
  await expect(compileModule({ up, down: false }, {})).rejects.toThrow('its function did not end within 60 s: it may never call its second argument');
});
