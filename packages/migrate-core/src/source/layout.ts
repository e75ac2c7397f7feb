/** From the names in a folder to migrations: which files belong together, and what is none. Pure. */

import { parseName } from '../version.ts';

export interface Entry {
  readonly name: string;
  /** Names inside, for a folder. */
  readonly inside: readonly string[] | null;
}

/** Paths are relative to the folder. */
export type Unit =
  | { readonly kind: 'sql'; readonly name: string; readonly up: string; readonly down: string | null; readonly metadata: string | null }
  | { readonly kind: 'module'; readonly name: string; readonly file: string };

export interface Layout {
  readonly units: readonly Unit[];
  readonly ignored: readonly { readonly path: string; readonly reason: string }[];
  readonly problems: readonly { readonly code: 'duplicate'; readonly name: string; readonly message: string }[];
}

/** One name a line, `#` for comments: the order of the folder where names do not say it. */
export const ORDER_FILE = 'migrations.order';

const MODULE = /\.(?:[cm]?ts|[cm]?js)$/i;
/** Of another tool, or for readers: known, in its place, and nobody has to be told. */
const AT_HOME = /^(?:migration_lock\.toml|readme(?:\.(?!sql$|[cm]?[jt]s$)\w+)?)$/i;
/** What people and tools keep beside migrations. */
const KNOWN: readonly (readonly [RegExp, string])[] = [
  [/\.d\.[cm]?ts$/i, 'a declaration file'],
  [/\.(?:test|spec)\.[cm]?[jt]s$/i, 'a test'],
  [/\.map$/i, 'a source map'],
  [/^(?:license|changelog)(?:\.(?!sql$)\w+)?$/i, 'documentation'],
  [/\.(?:md|txt)$/i, 'documentation'],
  [/^(?:package(?:-lock)?|tsconfig.*)\.json$/i, "the folder's configuration"],
  [/^(?:node_modules|meta|__tests__|__snapshots__)$/i, "another tool's folder"],
  [/^lost\+found$/, "the file system's"],
  [
    /^(?:before|after)(?:Each)?(?:Migrate|Repeatables|Versioned|Undo|Clean|Info|Validate|Baseline|Repair|Connect)[A-Za-z]*(?:__.*)?\.sql$/,
    "a callback of Flyway's: run it by hand, or make it a migration",
  ],
];

interface Parts {
  up: string[];
  down: string[];
  metadata: string | null;
}

export function readLayout(entries: readonly Entry[]): Layout {
  const ignored: { path: string; reason: string }[] = [];
  const problems: Layout['problems'][number][] = [];
  const sql = new Map<string, Parts>();
  const modules = new Map<string, string[]>();
  const partsOf = (name: string): Parts => {
    const parts = sql.get(name) ?? { up: [], down: [], metadata: null };
    sql.set(name, parts);
    return parts;
  };
  for (const entry of entries) {
    if (entry.name.startsWith('.') || entry.name === ORDER_FILE || AT_HOME.test(entry.name)) continue;
    const known = KNOWN.find(([pattern]) => pattern.test(entry.name));
    if (known !== undefined) {
      ignored.push({ path: entry.name, reason: known[1] });
    } else if (entry.inside !== null) {
      const reason = readFolder(entry.name, entry.inside, partsOf);
      if (reason !== null) ignored.push({ path: entry.name, reason });
    } else if (/\.sql$/i.test(entry.name)) {
      const stem = entry.name.slice(0, -4);
      const direction = /\.(up|down)$/i.exec(stem);
      if (direction === null) partsOf(stem).up.push(entry.name);
      else partsOf(stem.slice(0, -direction[0].length))[direction[1]?.toLowerCase() === 'up' ? 'up' : 'down'].push(entry.name);
    } else if (MODULE.test(entry.name)) {
      const stem = entry.name.replace(MODULE, '');
      modules.set(stem, [...(modules.get(stem) ?? []), entry.name]);
    } else {
      ignored.push({ path: entry.name, reason: 'neither SQL nor a module' });
    }
  }
  for (const file of takeDowns(sql)) ignored.push({ path: file, reason: 'a down without its up' });
  // Prisma and Diesel read folders alone: what lies beside them without a number is a script for people, and would run last here.
  const folders = [...sql.values()].some(({ up }) => up.some((file) => file.includes('/')));
  const units: Unit[] = [];
  const duplicate = (name: string, files: readonly string[]): void => {
    problems.push({ code: 'duplicate', name, message: `${files.join(' and ')} are the same migration (${name}): keep one of them` });
  };
  for (const [name, { up, down, metadata }] of sql) {
    if (up.length === 0) {
      // golang-migrate and others let such files lie; what they would undo is in no plan, and so are they.
      for (const file of down) ignored.push({ path: file, reason: `a down without its up (${upOf(file)})` });
      continue;
    }
    const others = modules.get(name) ?? [];
    if (up.length > 1 || down.length > 1 || others.length > 0) duplicate(name, [...up, ...(down.length > 1 ? down : []), ...others]);
    const file = up[0] as string;
    if (folders && !file.includes('/') && parseName(name).scheme === 'unnumbered')
      ignored.push({ path: file, reason: 'a file without a number beside folders that are migrations' });
    else units.push({ kind: 'sql', name, up: file, down: down[0] ?? null, metadata });
    modules.delete(name);
  }
  for (const [name, files] of modules) {
    if (files.length > 1) duplicate(name, files);
    units.push({ kind: 'module', name, file: files[0] as string });
  }
  return { units, ignored, problems };
}

/** Other tools' names of downs: what stands for the down in a name, and what its up may have in that place. */
const DOWNS: readonly { readonly down: RegExp; readonly ups: readonly string[] }[] = [
  // `x-up.sql` and `x-down.sql`, as db-migrate has them; `x.sql` and `x_rollback.sql`, as people write them.
  { down: /^(.*[^-_.])([-_.])(?:down|undo|rollback|revert)$/i, ups: ['$1', '$1$2up', '$1$2do'] },
  // Postgrator: `002.do.words.sql`, `002.undo.words.sql`.
  { down: /^(\d+)\.undo(\..*)$/i, ups: ['$1.do$2'] },
  // Flyway: `V2__words.sql`, `U2__words.sql`.
  { down: /^U(\d[\d._]*__.*)$/, ups: ['V$1'] },
];

/**
 * Run as a migration, a down would take back what its up has just made. The up keeps its name, whether the down lies beside it or not. A name that only
 * looks like a down is one where its up is there, or other files of the folder have downs of that kind. Answers those without an up.
 */
function takeDowns(sql: Map<string, Parts>): readonly string[] {
  const alone: string[] = [];
  for (const { down, ups } of DOWNS) {
    const looks = [...sql].filter(([name, parts]) => down.test(name) && parts.up.length === 1 && !parts.up[0]?.includes('/'));
    const known = new Map([...sql].filter(([, parts]) => parts.up.length > 0).map(([name]) => [name.toLowerCase(), name]));
    const pairs = looks.map(([name]) => [name, ups.map((up) => known.get(name.replace(down, up).toLowerCase())).find((up) => up !== undefined)] as const);
    const kind = (name: string): string => down.exec(name)?.[2] ?? '';
    const kinds = new Set(pairs.filter(([, up]) => up !== undefined).map(([name]) => kind(name)));
    for (const [name, up] of pairs) {
      if (up === undefined && !kinds.has(kind(name))) continue;
      const [file] = sql.get(name)?.up ?? [];
      sql.delete(name);
      if (up === undefined) alone.push(file as string);
      else sql.get(up)?.down.push(file as string);
    }
  }
  return alone;
}

/** `migration.sql` is Prisma's name, `up.sql` Diesel's. Answers why it is no migration, or `null`. */
function readFolder(name: string, inside: readonly string[], partsOf: (name: string) => Parts): string | null {
  const pick = (...names: string[]): string[] => names.filter((one) => inside.includes(one)).map((one) => `${name}/${one}`);
  const up = pick('migration.sql', 'up.sql');
  const down = pick('rollback.sql', 'down.sql');
  if (up.length === 0 && down.length === 0) return 'a folder without migration.sql or up.sql';
  const parts = partsOf(name);
  parts.up.push(...up);
  parts.down.push(...down);
  if (inside.includes('metadata.toml')) parts.metadata = `${name}/metadata.toml`;
  return null;
}

/** The file that a down belongs to. */
function upOf(down: string): string {
  return down.replace(/rollback(?=\.sql$)/i, 'migration').replace(/down(?=\.sql$)/i, 'up');
}
