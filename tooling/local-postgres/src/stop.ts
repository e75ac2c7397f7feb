/** Ending the repository's PostgreSQL, and throwing its data away. */

import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { explainFileError, LocalPostgresError } from './failure.ts';
import { livingServer } from './local.ts';
import { findPlace } from './place.ts';
import { isServerOf } from './process.ts';

/** Stops the server: sessions are ended, what was committed is kept. Returns `notRunning` when there was none. */
export async function stopLocalPostgres(env: NodeJS.ProcessEnv = process.env): Promise<'stopped' | 'notRunning'> {
  const place = await findPlace(env);
  const running = await livingServer(place.data);
  if (!running) return 'notRunning';
  try {
    process.kill(running.pid, 'SIGINT');
    // A frozen one hears nothing until it is woken.
    process.kill(running.pid, 'SIGCONT');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPERM') {
      throw new LocalPostgresError('notWritable', `The local PostgreSQL (process ${running.pid}) was started by another user, who alone can stop it.`);
    }
  }
  for (const deadline = Date.now() + 60_000; await isServerOf(running.pid, place.data); await sleep(20)) {
    if (Date.now() > deadline) {
      throw new LocalPostgresError(
        'didNotStart',
        `The local PostgreSQL (process ${running.pid}) was told to stop and has not after 60 s. Its log is ${place.log}.`,
      );
    }
  }
  return 'stopped';
}

/** Stops the server and removes its databases, roles, password and log. Returns the folder. */
export async function resetLocalPostgres(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  await stopLocalPostgres(env);
  const place = await findPlace(env);
  // By name: LOCAL_POSTGRES_DIR may be a folder with other things in it.
  const ours = /^(?:data|log|password|starting|moved-to)$|^data\.new-|^password\.\d+$/;
  try {
    for (const folder of new Set([place.base, place.named])) {
      if (!existsSync(folder)) continue;
      for (const name of await readdir(folder)) {
        if (ours.test(name)) await rm(join(folder, name), { recursive: true, force: true });
      }
    }
  } catch (error) {
    throw explainFileError(error, place.base);
  }
  return place.base;
}
