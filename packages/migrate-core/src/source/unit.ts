/** Reads the files of one migration: its parts, its checksum, its directives. */

import { join } from 'node:path';

import type { Migration, SourceProblem } from '../migration.ts';
import { lineAndColumn } from '../position.ts';
import { parseName } from '../version.ts';
import { checksum } from './checksum.ts';
import { hasModuleDirectives, readModuleDirectives, readSqlDirectives, strayDirectives } from './directives.ts';
import { readText, Unreadable } from './file.ts';
import type { Unit } from './layout.ts';
import { readSections } from './sections.ts';

/** What reading a unit's files gave. */
export interface ReadUnit {
  readonly unit: Unit;
  readonly migration: Migration;
  readonly parts:
    | { readonly kind: 'sql'; readonly up: Part; readonly down: Part | null; readonly irreversible: string | null }
    | { readonly kind: 'module'; readonly path: string; readonly hasShorthands: boolean; readonly hasDirectives: boolean };
}

interface Part {
  readonly sql: string;
  readonly origin: { readonly file: string; readonly line: number };
}

export type UnitAnswer =
  | { readonly kind: 'read'; readonly read: ReadUnit }
  | { readonly kind: 'ignored'; readonly path: string; readonly reason: string }
  /** `otherTool`: the file is in this tool's format. */
  | { readonly kind: 'problem'; readonly problems: readonly SourceProblem[]; readonly otherTool?: string };

/** Reads the files of one unit; runs nothing. */
export function readUnit(folder: string, unit: Unit): UnitAnswer {
  const problem = (message: string) => ({ kind: 'problem', problems: [{ code: 'invalidMigration', name: unit.name, message }] }) as const;
  try {
    return unit.kind === 'sql' ? readSql(folder, unit) : readModule(folder, unit);
  } catch (error) {
    if (error instanceof Unreadable) return problem(error.message);
    throw error;
  }
}

function readSql(folder: string, unit: Extract<Unit, { kind: 'sql' }>): UnitAnswer {
  const file = join(folder, unit.up);
  const text = readText(file);
  const sections = readSections(text);
  const { directives, problems } = readSqlDirectives(text);
  const foreign = problems.find((one) => one.otherTool !== undefined);
  if (foreign?.otherTool !== undefined)
    return { kind: 'problem', problems: [problemAt(unit, file, text, foreign.start, foreign.message)], otherTool: foreign.otherTool };
  const found = problems.map(({ message, start }) => problemAt(unit, file, text, start, message));
  if (sections.problem !== null) found.push(problemAt(unit, file, text, sections.problem.start, sections.problem.message));
  if (unit.down !== null && sections.down !== null)
    found.push({ code: 'duplicate', name: unit.name, message: `${unit.name} has two downs: the section in ${unit.up}, and ${unit.down}. Keep one` });
  const downFile = unit.down === null ? file : join(folder, unit.down);
  const downText = unit.down === null ? (sections.down?.sql ?? null) : readText(downFile);
  if (unit.down !== null) found.push(...strayDirectives(downText ?? '').map(({ message, start }) => problemAt(unit, downFile, downText ?? '', start, message)));
  if (found.length > 0) return { kind: 'problem', problems: found };

  const alone = unit.metadata !== null && /^\s*run_in_transaction\s*=\s*false/m.test(readText(join(folder, unit.metadata)));
  const parsed = parseName(unit.name);
  const migration: Migration = {
    name: unit.name,
    version: parsed.version,
    description: directives.description ?? parsed.description,
    checksum: checksum(sections.up.sql),
    downChecksum: downText === null ? null : checksum(downText),
    directives: alone ? { ...directives, transaction: 'none' } : directives,
    file,
  };
  return {
    kind: 'read',
    read: {
      unit,
      migration,
      parts: {
        kind: 'sql',
        up: { sql: sections.up.sql, origin: { file, line: sections.up.line } },
        down: downText === null ? null : { sql: downText, origin: { file: downFile, line: unit.down === null ? (sections.down?.line ?? 0) : 0 } },
        irreversible: downText === null ? noDown(unit) : null,
      },
    },
  };
}

function readModule(folder: string, unit: Extract<Unit, { kind: 'module' }>): UnitAnswer {
  const file = join(folder, unit.file);
  const text = readText(file);
  const parsed = parseName(unit.name);
  if (parsed.scheme === 'unnumbered' && !/\bup\b/.test(text)) return { kind: 'ignored', path: unit.file, reason: 'a module without a number or an up' };
  const { directives, problems } = readModuleDirectives(text);
  if (problems.length > 0) return { kind: 'problem', problems: problems.map(({ message, start }) => problemAt(unit, file, text, start, message)) };
  return {
    kind: 'read',
    read: {
      unit,
      migration: {
        name: unit.name,
        version: parsed.version,
        description: directives.description ?? parsed.description,
        checksum: checksum(text),
        downChecksum: null,
        directives,
        file,
      },
      parts: { kind: 'module', path: file, hasShorthands: /\bshorthands\b/.test(text), hasDirectives: hasModuleDirectives(text) },
    },
  };
}

/** A whole folder in another tool's format is one problem, not one for each file. */
export function problemsOf(answers: readonly UnitAnswer[]): readonly SourceProblem[] {
  const problems: SourceProblem[] = [];
  const foreign = new Map<string, { first: SourceProblem; more: number }>();
  for (const answer of answers) {
    if (answer.kind !== 'problem') continue;
    const [first] = answer.problems;
    const known = answer.otherTool === undefined ? undefined : foreign.get(answer.otherTool);
    if (answer.otherTool === undefined || first === undefined) problems.push(...answer.problems);
    else if (known === undefined) foreign.set(answer.otherTool, { first, more: 0 });
    else known.more++;
  }
  for (const { first, more } of foreign.values()) {
    const others = more === 0 ? '' : ` (so ${more === 1 ? 'is one more file' : `are ${more} more files`} here)`;
    problems.push({ ...first, message: `${first.message}${others}` });
  }
  return problems;
}

function problemAt(unit: Unit, file: string, text: string, start: number, message: string): SourceProblem {
  const { line, column } = lineAndColumn(text, start);
  return { code: 'invalidMigration', name: unit.name, message: `${file}:${line}:${column}: ${message}` };
}

/** A clause for whoever wants to go back. */
function noDown(unit: Extract<Unit, { kind: 'sql' }>): string {
  if (unit.up.includes('/')) return `there is no ${unit.name}/rollback.sql or ${unit.name}/down.sql`;
  return /\.up\.sql$/i.test(unit.up) ? `there is no ${unit.name}.down.sql` : `${unit.up} has no "-- Down Migration" section`;
}
