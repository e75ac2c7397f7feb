/** Many processes at once on an empty database, directly or through PgBouncer in transaction mode. */

import { startPgBouncer, testDatabase } from '@org/test-postgres';

import { writeMigrations } from './migrations.ts';
import { startMigrating } from './process.ts';
import { faults } from './truth.ts';

export interface CrowdOptions {
  readonly rounds: number;
  readonly processes: number;
  readonly through: 'direct' | 'pgbouncer';
  readonly say: (line: string) => void;
}

/** Answers the number of rounds in which something was wrong. */
export async function crowd(options: CrowdOptions): Promise<number> {
  await using folder = await writeMigrations();
  let wrong = 0;
  for (let round = 1; round <= options.rounds; round++) {
    await using db = await testDatabase();
    await using pooler = options.through === 'pgbouncer' ? await startPgBouncer({ server: db.server, poolSize: 10 }) : null;
    const url = pooler === null ? db.url : pooler.url(db.name);
    const began = performance.now();
    const ends = await Promise.all(Array.from({ length: options.processes }, () => startMigrating(folder.path, url).ended));
    const failed = ends.filter((end) => end.code !== 0);
    const found = await faults(db.url, folder);
    for (const end of failed) options.say(`  exit ${end.code}: ${end.output.slice(0, 2_000)}`);
    if (failed.length > 0 || found.length > 0) wrong++;
    options.say(
      `round ${round}: ${options.processes - failed.length} of ${options.processes} ended well in ${((performance.now() - began) / 1000).toFixed(1)} s, ${found.length === 0 ? 'each migration once' : found.join('; ')}`,
    );
  }
  return wrong;
}
