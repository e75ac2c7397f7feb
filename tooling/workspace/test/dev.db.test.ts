import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@org/local-postgres';
import { expect, onTestFinished, test } from 'vitest';
import { freshClone } from './support/fresh-clone.ts';

const script = join(import.meta.dirname, '../src/dev.ts');

async function statusOf(port: number): Promise<number | 'closed'> {
  return await fetch(`http://127.0.0.1:${port}/health/ready`).then(
    ({ status }) => status,
    () => 'closed' as const,
  );
}

test('pnpm dev serves the three services on a PostgreSQL that it starts, and Ctrl-C leaves none of them behind', async () => {
  const first = await freePort();
  const ports = [first, first + 1, first + 2];
  const env = { ...(await freshClone()), DEV_PORT: String(first) };
  // A group of its own, as a terminal would make, and ended as a terminal ends it.
  const child = spawn(process.execPath, ['--conditions=@org/source', script], { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)));
  onTestFinished(() => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  });

  const deadline = Date.now() + 120_000;
  while (Date.now() < deadline && child.exitCode === null) {
    if ((await Promise.all(ports.map(statusOf))).every((status) => status === 200)) break;
    await sleep(200);
  }
  expect(await Promise.all(ports.map(statusOf)), said).toEqual([200, 200, 200]);
  expect(said).toContain(`patient      http://127.0.0.1:${first + 1}`);

  process.kill(-(child.pid ?? 0), 'SIGINT');
  expect(await ended, said).toBe(0);
  expect(await Promise.all(ports.map(statusOf))).toEqual(['closed', 'closed', 'closed']);
}, 180_000);

test('a service that does not exist is named, beside those that do', async () => {
  const child = spawn(process.execPath, ['--conditions=@org/source', script, 'nobody'], {
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk) => (said += String(chunk)));
  expect(await new Promise((resolve) => child.once('close', resolve))).toBe(2);
  expect(said).toBe('There is no service nobody. Services: user, patient, appointment.\n');
});
