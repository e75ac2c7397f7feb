/** Who writes into a history, from now on. */

import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';

import type { Run } from './record.ts';

const TOOL = `migrate-core ${(createRequire(import.meta.url)('../package.json') as { version: string }).version}`;
const FROM = `${hostname()}:${process.pid}`;

export function newRun(): Run {
  // Its entropy is taken in larger pieces: a fleet has a run for each tenant. Two of its 64 bits are always the same.
  return { id: randomUUID().replaceAll('-', '').slice(-16), from: FROM, tool: TOOL };
}
