/** A folder of migrations. */

import { readdir, stat } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

import { MigrationError } from '../errors.ts';
import type { CompiledMigration, Grammar, MigrationSource, SourceListing, SourceProblem } from '../migration.ts';
import { unreadable } from './file.ts';
import { ORDER_FILE, readLayout, type Entry, type Unit } from './layout.ts';
import { orderNames, sameNumbers, sortUnits } from './order.ts';
import { problemsOf, readUnit, type ReadUnit, type UnitAnswer } from './unit.ts';

/**
 * The migrations of a folder, in every layout of docs/formats.md, side by side. Read once per source.
 *
 * @example
 * const source = directorySource('services/patient/migrations');
 * (await source.list()).migrations.map((migration) => migration.name);
 *
 * @throws MigrationError `invalidOptions`, from `list()`, when the folder cannot be read.
 */
export function directorySource(folder: string): MigrationSource {
  return new DirectorySource(folder);
}

/** So long the event loop may stand still while files are read: connections are opened and requests answered meanwhile. Milliseconds. */
const SLICE_MS = 5;

interface Discovery {
  readonly listing: SourceListing;
  /** In the order of the listing. */
  readonly units: readonly ReadUnit[];
}

class DirectorySource implements MigrationSource {
  readonly label: string;
  #discovery: Promise<Discovery> | null = null;

  constructor(folder: string) {
    const near = relative(process.cwd(), folder);
    this.label = near === '' ? '.' : near.startsWith('..') ? resolve(folder) : near;
  }

  async list(): Promise<SourceListing> {
    return (await this.#discovered()).listing;
  }

  async compile(names: readonly string[], grammar: Grammar = 'here'): Promise<readonly CompiledMigration[]> {
    const { units } = await this.#discovered();
    const wanted = names.map((name) => {
      const unit = units.find((one) => one.migration.name === name);
      if (unit === undefined) throw new MigrationError({ code: 'internal', message: `${name} is not in ${this.label}` });
      return unit;
    });
    // Compiling brings a parser and a loader along: only for what will run.
    const { compileUnits } = await import('./compile.ts');
    return compileUnits(wanted, units, grammar);
  }

  #discovered(): Promise<Discovery> {
    this.#discovery ??= discover(this.label);
    return this.#discovery;
  }
}

async function discover(folder: string): Promise<Discovery> {
  const layout = readLayout(await readEntries(folder));
  const problems: SourceProblem[] = [...layout.problems];
  const ignored = [...layout.ignored];
  const read = new Map<string, ReadUnit>();
  // Sorted first, so that nothing depends on the file system's order.
  const units = sortUnits(layout.units);
  const answers = await readUnits(folder, units);
  for (const answer of answers) {
    if (answer.kind === 'ignored') ignored.push({ path: answer.path, reason: answer.reason });
    else if (answer.kind === 'read') read.set(answer.read.unit.name, answer.read);
  }
  problems.push(...problemsOf(answers));
  const none = new Set(ignored.map((one) => one.path));
  const names = units.filter((unit) => !none.has(unit.kind === 'sql' ? unit.up : unit.file)).map((unit) => unit.name);
  const order = await orderNames(names, join(folder, ORDER_FILE));
  problems.push(...order.problems);
  // Who wrote the order down has looked at them.
  if (order.by === 'number') problems.push(...sameNumbers(order.names));
  const inOrder = order.names.map((name) => read.get(name)).filter((one) => one !== undefined);
  const migrations = inOrder.map((one) => one.migration);
  // Those that are not readable have their places, so that nobody takes them for deleted.
  const listing = migrations.length === order.names.length ? { migrations, ignored, problems } : { migrations, ignored, problems, names: order.names };
  return { listing, units: inOrder };
}

async function readUnits(folder: string, units: readonly Unit[]): Promise<readonly UnitAnswer[]> {
  const answers: UnitAnswer[] = [];
  let until = performance.now() + SLICE_MS;
  for (const unit of units) {
    if (performance.now() > until) {
      await turn();
      until = performance.now() + SLICE_MS;
    }
    answers.push(readUnit(folder, unit));
  }
  return answers;
}

async function readEntries(folder: string): Promise<Entry[]> {
  let found;
  try {
    found = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw unreadable(folder, error);
  }
  return Promise.all(
    found.map(async (entry) => {
      const path = join(folder, entry.name);
      // What a link leads to counts; one that leads nowhere is reported when it is read.
      const isFolder =
        entry.isDirectory() ||
        (entry.isSymbolicLink() &&
          (await stat(path).then(
            (one) => one.isDirectory(),
            () => false,
          )));
      return { name: entry.name, inside: isFolder ? await readdir(path).catch(insideUnreadable) : null };
    }),
  );
}

/** Nobody can tell what is in a folder that may not be opened: it counts as a migration, which then cannot be read, so that one which is applied is not taken for deleted. */
function insideUnreadable(error: unknown): readonly string[] {
  const { code } = error as { code?: unknown };
  return code === 'EACCES' || code === 'EPERM' ? ['migration.sql'] : [];
}
