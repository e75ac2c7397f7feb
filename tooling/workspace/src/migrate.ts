/** `pnpm migrate`: the services' migrations in dependency order, and one table of where they then stand. */

import { existsSync } from 'node:fs';

import { environmentFiles, names, placeArguments, readArguments, withAbsoluteFiles } from './arguments.ts';
import { runProgram } from './process.ts';
import { findServices, runTasks } from './turbo.ts';

const usage = `pnpm migrate                      migrate all services, in the order of their dependencies
pnpm migrate --filter patient     patient, after what it depends on
pnpm migrate --service patient    patient alone
pnpm migrate --tenant ID          one tenant of the service that has tenants
pnpm migrate --dry-run            what would be applied, in order; writes nothing
pnpm migrate --json               one JSON document on standard output (pnpm --silent migrate --json)

Everything else goes to \`migrate up\`, for example --url postgres://… or --wait 30s: pnpm exec migrate up --help.
`;

async function main(args: readonly string[]): Promise<number> {
  const command = readArguments(args);
  // Node.js reads the option as well, of whatever it is started with, and ends with a line of its own where the file is not there: see package.json's `--`.
  const missing = environmentFiles(args).find((file) => !existsSync(file));
  if (missing !== undefined && command.kind !== 'help') {
    process.stderr.write(`--env-file names ${missing}, which is not there.\n`);
    return 2;
  }
  switch (command.kind) {
    case 'help':
      process.stdout.write(usage);
      return 0;
    case 'usageError':
      process.stderr.write(`${command.message}\n`);
      return 2;
    case 'commandLine': {
      if (names(command.up, '--service')) return await runMigrate('up', command.up);
      const found = await servicesOf(command.filters);
      return typeof found === 'number' ? found : await runMigrate('up', [...command.up, '--service', found.join(',')]);
    }
    case 'tasks': {
      const found = await servicesOf(command.filters);
      return typeof found === 'number' ? found : await migrate(command.filters, command.up, found);
    }
  }
}

/** An exit code where the filters find nothing. */
async function servicesOf(filters: readonly string[]): Promise<readonly string[] | number> {
  const { services, complaint, code } = await findServices(filters);
  if (code > 2) return code;
  if (code === 0 && services.length > 0) return services;
  process.stderr.write(complaint === '' ? `Nothing that can be migrated is called ${filters.join(' or ')}.\n` : `${complaint}\n`);
  return 2;
}

async function migrate(filters: readonly string[], up: readonly string[], services: readonly string[]): Promise<number> {
  const seen = new Set<string>();
  let last: string | null = null;
  const run = await runTasks(filters, up, (service, text) => {
    if (service !== last) {
      if (last !== null) process.stdout.write('\n');
      // Tasks that do not depend on each other run at once, and their lines meet here.
      if (seen.has(service)) process.stdout.write(`${service}, continued\n`);
      seen.add((last = service));
    }
    process.stdout.write(`${text}\n`);
  });
  if (run.complaint !== '') process.stderr.write(`${run.complaint}\n`);
  if (run.code !== 0) {
    const rest = services.filter((service) => !run.begun.has(service));
    if (run.failed.length > 0 && rest.length > 0) process.stderr.write(`\n${run.failed.join(', ')} failed, so that ${rest.join(', ')} did not begin.\n`);
    return run.code;
  }
  process.stdout.write('\n');
  // The migrations are done, and so is this command: a table that cannot be drawn has said why.
  const status = await runMigrate('status', [...placeArguments(up), '--service', services.join(','), '--exit-code']);
  if (status === 0) process.stdout.write(`\n${new Intl.ListFormat('en').format(services)} ${services.length === 1 ? 'is' : 'are'} current.\n`);
  return 0;
}

async function runMigrate(command: 'up' | 'status', args: readonly string[]): Promise<number> {
  const { code } = await runProgram('migrate', [command, ...args], { stdio: 'inherit' });
  return code;
}

// pnpm runs scripts in the root, wherever they were typed.
process.exitCode = await main(withAbsoluteFiles(process.argv.slice(2), process.env['INIT_CWD'] ?? process.cwd()));
