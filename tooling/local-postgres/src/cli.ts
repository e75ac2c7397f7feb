/** `pnpm db:start`, `db:stop`, `db:reset`, `db:url`. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import type { DatabaseRequest } from './databases.ts';
import { LocalPostgresError } from './failure.ts';
import { ensureLocalPostgres } from './local.ts';
import { findPlace, repositoryRoot } from './place.ts';
import { resetLocalPostgres, stopLocalPostgres } from './stop.ts';

class UsageError extends Error {}

const usage = `pnpm db:start                start the local PostgreSQL
pnpm db:stop                 stop it; its data stays
pnpm db:reset [--yes]        stop it and throw its data away
pnpm db:url [SERVICE]        the URL of a service's database; without one, of the server
pnpm db:url SERVICE --app    the same for the role that the service's application uses
`;

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      app: { type: 'boolean' },
      yes: { type: 'boolean', short: 'y' },
      'allow-production': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const [command, ...names] = positionals;
  if (values.help || command === undefined) {
    (values.help ? process.stdout : process.stderr).write(usage);
    return values.help ? 0 : 2;
  }
  if (names.length > (command === 'url' ? 1 : 0)) throw new UsageError(`db:${command} does not take "${names.at(-1)}".`);
  switch (command) {
    case 'start': {
      const { port } = await ensureLocalPostgres();
      process.stdout.write(`The local PostgreSQL runs on 127.0.0.1:${port}; its data is in ${(await findPlace()).base}.\n`);
      return 0;
    }
    case 'stop':
      process.stdout.write(
        (await stopLocalPostgres()) === 'stopped' ? 'The local PostgreSQL is stopped; its data stays.\n' : 'The local PostgreSQL was not running.\n',
      );
      return 0;
    case 'reset':
      if (!(await mayReset(values.yes === true, values['allow-production'] === true))) return 1;
      process.stdout.write(`The local PostgreSQL is stopped and its data in ${await resetLocalPostgres()} removed. The next command makes a new one.\n`);
      return 0;
    case 'url': {
      const service = names[0];
      if (service === undefined) {
        if (values.app) throw new UsageError('--app needs a service: pnpm db:url user --app.');
        process.stdout.write(`${(await ensureLocalPostgres()).url('postgres')}\n`);
        return 0;
      }
      const request = await readService(service);
      if (values.app && request.applicationRole === undefined)
        throw new UsageError(`The service ${service} names no application role in its migrate.config.ts.`);
      const local = await ensureLocalPostgres({ services: [request] });
      process.stdout.write(`${local.url(request.database, values.app ? request.applicationRole : undefined)}\n`);
      return 0;
    }
    default:
      throw new UsageError(`There is no db:${command}.\n${usage.trimEnd()}`);
  }
}

/** Data that is gone is gone: production refuses, a terminal is asked, and a script must say --yes. */
async function mayReset(yes: boolean, allowProduction: boolean): Promise<boolean> {
  if (process.env['NODE_ENV'] === 'production' && !allowProduction) {
    throw new UsageError('db:reset throws databases away and is refused with NODE_ENV=production. If you mean it: --allow-production.');
  }
  if (yes) return true;
  if (!process.stdin.isTTY || !process.stderr.isTTY) throw new UsageError('db:reset throws databases away. Without a terminal to ask at, it needs --yes.');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`Throw away the databases in ${(await findPlace()).base}? [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

async function readService(service: string): Promise<DatabaseRequest> {
  const folder = join(repositoryRoot, 'services');
  const file = join(folder, service, 'migrate.config.ts');
  const known = existsSync(folder) ? readdirSync(folder).filter((name) => existsSync(join(folder, name, 'migrate.config.ts'))) : [];
  if (!known.includes(service)) throw new UsageError(`There is no service "${service}". Services: ${known.join(', ') || 'none'}.`);
  const { default: config } = (await import(pathToFileURL(file).href)) as { default: { database: string; applicationRole?: string } };
  return { service, database: config.database, ...(config.applicationRole === undefined ? {} : { applicationRole: config.applicationRole }) };
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usageProblem = error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true;
  if (!usageProblem && !(error instanceof LocalPostgresError)) throw error;
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = usageProblem ? 2 : 1;
}
