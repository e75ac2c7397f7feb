/**
 * The benchmark: `pnpm bench [--rounds N] [--only ID] [--migrations N] [--tenants N] [--fleet N] [--fsync on|off] [--json]`. A server of its own, with fsync as in production;
 * prints what each took, and our time over theirs beside what must be reached. Exits 0 whether or not it was; 1 when it could not be measured.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { installPacked } from '@org/packing/pack';
import { startServer } from '@org/test-postgres';

import { runContest, type ContestResult } from './contest.ts';
import { contests } from './contests.ts';
import { writeMigrations } from './migrations.ts';
import { isReached, renderResults } from './render.ts';

interface Request {
  readonly rounds: number;
  readonly migrations: number;
  readonly tenants: number;
  readonly fleet: number;
  readonly only: readonly string[];
  readonly fsync: 'on' | 'off';
  readonly output: 'json' | 'table';
}

/** Throws an `Error` that says what is wrong with the words. */
function readRequest(words: readonly string[]): Request {
  const { values } = parseArgs({
    args: [...words],
    options: {
      rounds: { type: 'string', default: '8' },
      migrations: { type: 'string', default: '100' },
      tenants: { type: 'string', default: '200' },
      fleet: { type: 'string', default: '5000' },
      only: { type: 'string', multiple: true, default: [] },
      fsync: { type: 'string', default: 'on' },
      json: { type: 'boolean', default: false },
    },
  });
  const unknown = values.only.filter((id) => !Object.hasOwn(contests, id));
  if (unknown.length > 0) throw new Error(`--only takes ${Object.keys(contests).join(', ')}, not ${unknown.join(', ')}`);
  if (values.fsync !== 'on' && values.fsync !== 'off') throw new Error(`--fsync takes on or off, not ${values.fsync}`);
  return {
    rounds: count('--rounds', values.rounds),
    migrations: count('--migrations', values.migrations),
    tenants: count('--tenants', values.tenants),
    fleet: count('--fleet', values.fleet),
    only: values.only,
    fsync: values.fsync,
    output: values.json ? 'json' : 'table',
  };
}

function count(flag: string, text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`${flag} takes a whole number above zero, not ${text}`);
  return Number(text);
}

async function bench({ rounds, migrations, tenants, fleet, only, fsync }: Request): Promise<ContestResult[]> {
  const base = await mkdtemp(join(tmpdir(), 'bench-'));
  const results: ContestResult[] = [];
  await using server = await startServer({ fsync, settings: { shared_buffers: '256MB', autovacuum: 'off' } });
  try {
    const folders = await writeMigrations(base, migrations);
    let packed: Promise<string> | null = null;
    const migrate = (): Promise<string> => (packed ??= installPacked(base));
    for (const [id, make] of Object.entries(contests)) {
      if (only.length > 0 && !only.includes(id)) continue;
      const contest = await make({ server, folders, migrations, base, migrate, tenants, fleet });
      const tell = (round: number): void =>
        void process.stderr.write(`${round === 0 ? `${contest.work}: warming up` : ` ${round}`}${round === rounds ? '\n' : ''}`);
      results.push(await runContest(contest, rounds, server.pid, tell));
      await contest.end?.();
    }
    return results;
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

try {
  const request = readRequest(process.argv.slice(2));
  const results = await bench(request);
  if (request.output === 'table') process.stdout.write(`${renderResults(results)}\n`);
  else {
    const rows = results.map((one) => ({ ...one, measurements: one.measurements.map((each) => ({ ...each, reached: isReached(each) })) }));
    process.stdout.write(`${JSON.stringify({ fsync: request.fsync, results: rows }, null, 2)}\n`);
  }
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
