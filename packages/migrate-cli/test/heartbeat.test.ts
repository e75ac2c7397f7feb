import { afterEach, expect, test, vi } from 'vitest';

import type { Output } from '../src/invocation.ts';
import { noColours } from '../src/render/colour.ts';
import { Heartbeat, tellProgress } from '../src/render/heartbeat.ts';

afterEach(() => void vi.useRealTimers());

function written(live: Output['live'] = null): { readonly output: Output; readonly lines: string[] } {
  const lines: string[] = [];
  const none = (): void => undefined;
  return {
    lines,
    output: { piece: none, document: none, line: (text = '') => void lines.push(text), log: none, colours: noColours, located: (text: string) => text, live },
  };
}

test('how far a fleet has come is one line', () => {
  expect(tellProgress({ done: 1_204, total: 2_000, failed: 3, left: 11_400 })).toBe('1,204 of 2,000 tenants, 3 failed, about 12 s left');
  expect(tellProgress({ done: 0, total: 7, failed: 0, left: null })).toBe('0 of 7 tenants');
  expect(tellProgress({ done: 1, total: 7, failed: 0, left: 125_000 })).toBe('1 of 7 tenants, about 2 min 5 s left');
});

test('without a terminal it is told every ten seconds, while it goes on', () => {
  vi.useFakeTimers();
  const { output, lines } = written();
  let done = 0;
  const heartbeat = new Heartbeat();
  heartbeat.start(output, 'text', () => ({ done, total: 9, failed: 0, left: null }));
  vi.advanceTimersByTime(9_999);
  expect(lines).toEqual([]);
  vi.advanceTimersByTime(1);
  vi.advanceTimersByTime(10_000);
  done = 4;
  vi.advanceTimersByTime(10_000);
  heartbeat.stop();
  done = 5;
  vi.advanceTimersByTime(30_000);
  expect(lines).toEqual(['  0 of 9 tenants', '  4 of 9 tenants']);
});

test('on a terminal, and beside a document, it is silent', () => {
  vi.useFakeTimers();
  const terminal = written(process.stdout);
  new Heartbeat().start(terminal.output, 'text', () => ({ done: 0, total: 9, failed: 0, left: null }));
  const document = written();
  new Heartbeat().start(document.output, 'json', () => ({ done: 0, total: 9, failed: 0, left: null }));
  vi.advanceTimersByTime(60_000);
  expect([...terminal.lines, ...document.lines]).toEqual([]);
});
