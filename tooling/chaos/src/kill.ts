/** One process after the other is killed at a random moment; a last one, left alone, has to end with everything true. */

import { setTimeout as sleep } from 'node:timers/promises';

import { testDatabase, type TestServer } from '@org/test-postgres';

import { writeMigrations } from './migrations.ts';
import { startMigrating } from './process.ts';
import { faults } from './truth.ts';

export interface KillOptions {
  /** Kills in all. */
  readonly kills: number;
  /** Processes at once. */
  readonly together: number;
  readonly server: TestServer;
  readonly say: (line: string) => void;
}

/** Answers the number of databases in which something was wrong. */
export async function kill(options: KillOptions): Promise<number> {
  await using folder = await writeMigrations();
  let killed = 0;
  let wrong = 0;
  for (let round = 1; killed < options.kills; round++) {
    await using db = await testDatabase();
    const before = killed;
    for (let life = 0; life < 40 && killed < options.kills; life++) {
      const running = Array.from({ length: options.together }, () => startMigrating(folder.path, db.url));
      // Some die while Node still starts: the work lies behind that.
      const ends = await Promise.all(
        running.map(async (one) => {
          void sleep(150 + Math.random() * 900).then(() => one.process.kill('SIGKILL'));
          return one.ended;
        }),
      );
      killed += ends.filter((end) => end.code === null).length;
      const failed = ends.filter((end) => end.code !== null && end.code !== 0);
      for (const end of failed) options.say(`  exit ${end.code}: ${end.output.slice(0, 2_000)}`);
      wrong += failed.length > 0 ? 1 : 0;
      if (ends.some((end) => end.code === 0)) break;
    }
    const last = await startMigrating(folder.path, db.url).ended;
    const found = last.code === 0 ? await faults(db.url, folder) : [`the last run ended with exit code ${last.code}: ${last.output.slice(0, 2_000)}`];
    if (found.length > 0) wrong++;
    options.say(`database ${round}: ${killed - before} killed, ${found.length === 0 ? 'complete and true' : found.join('; ')}`);
  }
  return wrong;
}
