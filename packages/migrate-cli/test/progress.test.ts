/** The line at the bottom of a terminal, while migrations run. */

import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import type { EventListener } from '@org/migrate-core';
import { expect, test, vi } from 'vitest';

import type { Invocation } from '../src/invocation.ts';
import { Story } from '../src/render/story.ts';
import type { Service } from '../src/service.ts';

test('while several migrations run in one message, all of them are named, not the last; and once it is stopped nothing is drawn over what is said', async () => {
  const stream = Object.assign(new PassThrough(), { columns: 120, isTTY: true });
  let shown = '';
  stream.on('data', (chunk: Buffer) => (shown += chunk.toString()));
  const stop = new AbortController();
  const story = new Story({ name: 'patient' } as Service, { output: { live: stream }, signal: stop.signal } as unknown as Invocation);
  const start = (name: string): void =>
    story.listener({ type: 'started', target: { name: 'db' }, name, direction: 'up' } as unknown as Parameters<EventListener>[0]);
  for (const name of ['0003_a', '0004_b', '0005_c', '0006_d']) start(name);
  await vi.waitFor(() => expect(shown).toContain('applying 0003_a … 0006_d (4)'), 5_000);
  start('0007_e');
  await vi.waitFor(() => expect(shown).toContain('applying 0007_e'), 5_000);
  stop.abort();
  shown = '';
  stream.write('SIGINT');
  start('0008_f');
  await sleep(700);
  expect(shown).toBe('SIGINT');
  story.broken();
  expect(shown).toBe('SIGINT');
});
