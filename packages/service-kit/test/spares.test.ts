import { setTimeout as sleep } from 'node:timers/promises';

import { MigrationError, type SparePreparation } from '@org/migrate-core';
import { expect, test } from 'vitest';

import { Spares } from '../src/spares.ts';

/** Answers when it is let. */
function tenancy(answers: readonly SparePreparation[] = []): { calls: number; free: () => void; prepareSpares: () => Promise<SparePreparation> } {
  let free = (): void => undefined;
  const one = {
    calls: 0,
    free: () => free(),
    prepareSpares: async () => {
      const answer = answers[one.calls++] ?? { ready: 1, made: 0, dropped: 0, error: null };
      await new Promise<void>((resolve) => (free = resolve));
      return answer;
    },
  };
  return one;
}

function told(): { lines: string[]; info: (...words: unknown[]) => void; warn: (...words: unknown[]) => void } {
  const lines: string[] = [];
  return { lines, info: (...words) => lines.push(`info ${String(words.at(-1))}`), warn: (...words) => lines.push(`warn ${String(words.at(-1))}`) };
}

test('however many tenants are made meanwhile, one look follows the one that is under way', async () => {
  const [asked, log] = [tenancy(), told()];
  const spares = new Spares({ tenancy: asked, signal: new AbortController().signal, log });
  for (let count = 0; count < 20; count++) spares.refill();
  await sleep(5);
  expect(asked.calls).toBe(1);
  asked.free();
  await sleep(5);
  expect(asked.calls).toBe(2);
  asked.free();
  await spares.settled();
  expect([asked.calls, log.lines]).toEqual([2, []]);
});

test('what passes by itself is tried again, and sooner when a tenant was made', async () => {
  const lacking = new MigrationError({ code: 'unmetRequirement', message: 'user@0003 is not applied yet' });
  const failed: SparePreparation = { ready: 0, made: 0, dropped: 0, error: lacking };
  const answers = [failed, failed, failed];
  const asked = { calls: 0, prepareSpares: async () => answers[asked.calls++] ?? { ready: 1, made: 1, dropped: 0, error: null } };
  const [log, stop] = [told(), new AbortController()];
  const soon = new Spares({ tenancy: asked, signal: stop.signal, log, retryMs: 2 });
  soon.refill();
  await soon.settled();
  expect([asked.calls, log.lines.at(-1)]).toEqual([4, 'info places for new tenants were made ahead']);
  asked.calls = 2;
  const late = new Spares({ tenancy: asked, signal: stop.signal, log, retryMs: 60_000 });
  late.refill();
  await sleep(20);
  expect(asked.calls).toBe(3);
  late.refill();
  await late.settled();
  expect(asked.calls).toBe(4);
  asked.calls = 0;
  const stopped = new Spares({ tenancy: asked, signal: stop.signal, log, retryMs: 60_000 });
  stopped.refill();
  await sleep(20);
  stop.abort();
  await stopped.settled();
  expect(asked.calls).toBe(1);
});

test('what was made is told, what failed is a warning, and after a stop nothing more is begun', async () => {
  const error = new MigrationError({ code: 'migrationFailed', message: 'gone' });
  const [asked, log, stop] = [tenancy([{ ready: 2, made: 2, dropped: 1, error }]), told(), new AbortController()];
  const spares = new Spares({ tenancy: asked, signal: stop.signal, log });
  spares.refill();
  await sleep(5);
  asked.free();
  await spares.settled();
  expect(log.lines).toEqual(['info places for new tenants were made ahead', 'warn no places for new tenants can be made ahead just now: gone']);
  stop.abort();
  spares.refill();
  await spares.settled();
  expect(asked.calls).toBe(1);
});
