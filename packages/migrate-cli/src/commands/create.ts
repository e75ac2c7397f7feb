import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { MigrationError, type Migration, type MigrationSource } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { exit } from '../exit.ts';
import { checkedWords, formatOf, nextName } from '../naming.ts';
import type { SourceName } from '../options.ts';
import { selectServices } from '../selection.ts';
import type { ReadMigrations, Service } from '../service.ts';
import { newFiles, type NewFile } from '../template.ts';
import { shown } from '../workspace.ts';

export const command: CommandModule = {
  argument: { name: 'name', description: 'what it changes, in a few words', need: 'required' },
  help: 'The number, its width, the separator and the kind of file are those of the newest migration there. Never overwrites anything.',
  options: ['service', 'dir', 'source', 'format', 'json', 'color', 'verbose'],
  examples: [
    ['migrate create add_phone', 'inside a service’s folder'],
    ['migrate create "add phone" --service patient', 'from the root'],
    ['migrate create add_phone --format pair', 'an .up.sql and a .down.sql'],
    ['migrate create add_room --service appointment --source tenant', 'for each tenant of a service; without it, for what they share'],
    ['migrate create add_phone --dir ./migrations', 'in any folder'],
  ],
  async run(invocation) {
    const { options, argument, output, cwd } = invocation;
    const words = checkedWords(argument ?? '');
    const { services } = await selectServices(invocation);
    const [service] = services;
    if (service === undefined || services.length > 1) {
      throw new MigrationError({
        code: 'invalidOptions',
        message: 'A migration belongs to one service: add --service to say which.',
        hint: `the services are: ${services.map((one) => one.name).join(', ')}`,
      });
    }
    const { folder, source } = sourceOf(service, options.source);
    if (folder === null)
      throw new MigrationError({
        code: 'invalidOptions',
        message: `The migrations of ${service.name} are given in code (${source.label}): add the new one there.`,
      });
    const existing = await existingMigrations(source);
    const name = nextName(words, existing, new Date());
    if (existing.some((one) => one.name === name)) throw new MigrationError({ code: 'invalidOptions', message: `${name} is there already.` });
    const files = newFiles(name, options.format ?? formatOf(existing), existing);
    await writeNew(folder, files);
    await appendToOrder(folder, name);
    const paths = files.map((file) => shown(join(folder, file.path), cwd));
    if (options.json === true) output.document(JSON.stringify({ service: service.name, name, files: paths }, null, 2));
    else for (const path of paths) output.line(`${output.colours.green('+')} ${path}`);
    return exit.done;
  },
};

function sourceOf(service: Service, asked: SourceName | undefined): ReadMigrations {
  if (asked !== 'tenant') return { folder: service.migrations, source: service.source };
  if (service.tenants !== null) return service.tenants;
  throw new MigrationError({
    code: 'invalidOptions',
    message: `${service.name} has no migrations of each tenant: its configuration has no tenancy.`,
    hint: 'say in migrate.config.ts how it keeps them: tenancy: { mode, migrations }',
  });
}

/** A folder that is not there yet is an empty one: it is made with its first migration. */
async function existingMigrations(source: MigrationSource): Promise<readonly Migration[]> {
  try {
    return (await source.list()).migrations;
  } catch (error) {
    if (((error as { cause?: { code?: unknown } }).cause?.code ?? (error as { code?: unknown }).code) === 'ENOENT') return [];
    throw error;
  }
}

async function writeNew(folder: string, files: readonly NewFile[]): Promise<void> {
  for (const file of files) {
    const path = join(folder, file.path);
    await mkdir(dirname(path), { recursive: true });
    try {
      // `wx` refuses what exists, a link that leads elsewhere included.
      await writeFile(path, file.text, { flag: 'wx' });
    } catch (error) {
      const exists = (error as { code?: unknown }).code === 'EEXIST';
      throw new MigrationError({
        code: 'invalidOptions',
        message: exists ? `${path} exists already; it was not touched.` : `${path} cannot be written: ${(error as Error).message}`,
        cause: error,
      });
    }
  }
}

const ORDER_FILE = 'migrations.order';

/** Where a file says the order, a migration that does not stand in it would be an error. */
async function appendToOrder(folder: string, name: string): Promise<void> {
  const path = join(folder, ORDER_FILE);
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text !== null) await appendFile(path, `${text === '' || text.endsWith('\n') ? '' : '\n'}${name}\n`);
}
