/** Long trials by violence, for before a release: too slow for every test run, which has short ones of the same kind. */

import { testServer } from '@org/test-postgres';
import { Command, InvalidArgumentError } from 'commander';

import { crowd } from './crowd.ts';
import { fleetCrowd, fleetKill } from './fleet.ts';
import { kill } from './kill.ts';
import { sabotage } from './sabotage.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number above zero.');
  return value;
}

const program = new Command('chaos').description('Kills and crowds of migrating processes, and whether the record stays true.');
program
  .command('kill')
  .description('SIGKILL at random moments, then a plain `migrate up`')
  .option('--kills <n>', 'kills in all', count, 300)
  .option('--together <n>', 'processes at once', count, 2)
  .action(async (options: { kills: number; together: number }) => {
    process.exitCode = Math.min(1, await kill({ ...options, server: await testServer(), say }));
  });
program
  .command('crowd')
  .description('many processes at once on an empty database')
  .option('--rounds <n>', 'how many times', count, 20)
  .option('--processes <n>', 'how many at once', count, 20)
  .option('--pgbouncer', 'through PgBouncer in transaction mode')
  .action(async (options: { rounds: number; processes: number; pgbouncer?: boolean }) => {
    process.exitCode = Math.min(
      1,
      await crowd({ rounds: options.rounds, processes: options.processes, through: options.pgbouncer === true ? 'pgbouncer' : 'direct', say }),
    );
  });
program
  .command('fleet')
  .description('SIGKILL of processes that migrate the same tenant schemas, then a plain up')
  .option('--kills <n>', 'kills in all', count, 100)
  .option('--together <n>', 'processes at once', count, 4)
  .option('--tenants <n>', 'tenant schemas', count, 40)
  .action(async (options: { kills: number; together: number; tenants: number }) => {
    process.exitCode = Math.min(1, await fleetKill({ ...options, say }));
  });
program
  .command('fleet-crowd')
  .description('many processes share a fleet that is one version behind; timed against one process alone')
  .option('--rounds <n>', 'how many times', count, 3)
  .option('--processes <n>', 'how many at once', count, 20)
  .option('--tenants <n>', 'tenant schemas', count, 500)
  .option('--work-ms <n>', 'what the pending migration takes in each', count, 20)
  .action(async (options: { rounds: number; processes: number; tenants: number; workMs: number }) => {
    process.exitCode = Math.min(1, await fleetCrowd({ ...options, say }));
  });
program
  .command('sabotage')
  .description('a fleet some of whose tenants cannot be migrated: SIGKILL half way, up again, repaired, up once more')
  .option('--tenants <n>', 'tenant schemas', count, 2_000)
  .option('--sabotaged <n>', 'of these, with something in the way', count, 3)
  .option('--migrations <n>', 'of each tenant', count, 20)
  .action(async (options: { tenants: number; sabotaged: number; migrations: number }) => {
    process.exitCode = Math.min(1, await sabotage({ ...options, say }));
  });
await program.parseAsync();
