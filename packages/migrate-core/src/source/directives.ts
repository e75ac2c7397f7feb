/** Directives: `-- migrate: key=value` at the top of SQL, `export const migrate = { … }` in a module. An unknown key is an error. Pure. */

import { noDirectives, type Directives, type Requirement } from '../migration.ts';
import { nearest } from '../version.ts';
import { tokens } from './lexer.ts';

export interface DirectiveAnswer {
  readonly directives: Directives;
  readonly problems: readonly DirectiveProblem[];
}

export interface DirectiveProblem {
  readonly message: string;
  /** UTF-16 offset in the text. */
  readonly start: number;
  /** The file is in this tool's format: whatever else is wrong in it follows from that. */
  readonly otherTool?: string;
}

const KEYS = ['transaction', 'requires', 'lock-timeout', 'statement-timeout', 'description', 'down', 'parse'] as const;
type Key = (typeof KEYS)[number];

/** Comments of other tools that a person may take for ours, or that mean sections we do not read. */
const OTHER_TOOLS: readonly (readonly [RegExp, string])[] = [
  [/^--\s*migrate:(?:up|down)\b/i, 'dbmate'],
  [/^--\s*\+goose\b/i, 'goose'],
  [/^--\s*\+migrate\b/i, 'sql-migrate'],
  [/^--\s*rambler\b/i, 'rambler'],
];

const DIRECTIVE = /^--[ \t]*migrate[ \t]*:(.*)$/i;

/** What a comment says as a directive, right or wrong; `null` for others, and for prose: `-- Migrate: copy the old names`. */
function directiveIn(comment: string): string | null {
  const said = DIRECTIVE.exec(comment)?.[1]?.trim();
  if (said === undefined) return null;
  const beginning = said.split(/\s+/, 2);
  const meant = beginning.length < 2 || beginning.some((word) => word.includes('=') || (KEYS as readonly string[]).includes(word.toLowerCase()));
  return meant ? said : null;
}

/** Most files have none, and reading all of their tokens costs more than a search. */
const MAYBE = /--[ \t]*migrate[ \t]*:/i;

/** The comments before the first statement. One that stands further below would be taken for one in force, so it is a problem. */
export function readSqlDirectives(sql: string): DirectiveAnswer {
  const reader = new Reader();
  const maybe = MAYBE.test(sql);
  let atTop = true;
  for (const token of tokens(sql)) {
    if (token.kind === 'blockComment') continue;
    if (token.kind !== 'lineComment') {
      if (!maybe) break;
      atTop = false;
      continue;
    }
    const comment = sql.slice(token.start, token.end);
    const other = OTHER_TOOLS.find(([pattern]) => pattern.test(comment));
    if (other !== undefined && atTop) {
      reader.problem(
        `"${comment.trim()}" is ${other[1]}'s format: use "-- Up Migration" and "-- Down Migration", or two files ending in .up.sql and .down.sql`,
        token.start,
        other[1],
      );
      continue;
    }
    const directive = directiveIn(comment);
    if (directive === null) continue;
    if (atTop) reader.line(directive, token.start);
    else reader.problem(`"${comment.trim()}" stands below the first statement, where it has no effect: directives stand at the top of the file`, token.start);
  }
  return reader.answer();
}

/** Of a file that holds only a down: its migration's directives stand in the up, and count for both. */
export function strayDirectives(sql: string): readonly DirectiveProblem[] {
  if (!MAYBE.test(sql)) return [];
  return [...tokens(sql)]
    .filter((token) => token.kind === 'lineComment' && directiveIn(sql.slice(token.start, token.end)) !== null)
    .map((token) => ({
      message: `"${sql.slice(token.start, token.end).trim()}" has no effect here: directives stand at the top of the up, and count for the down too`,
      start: token.start,
    }));
}

const MODULE = /^[ \t]*(?:export\s+const\s+migrate\b[^={]*=|exports\.migrate\s*=|module\.exports\.migrate\s*=)\s*/m;

/** Whether a module's text has directives where they are read from. */
export function hasModuleDirectives(text: string): boolean {
  return MODULE.test(text);
}

/**
 * Of a module, read from its text: listing must not run code. So they are written out: strings, and lists of strings.
 * `lockTimeout` and `'lock-timeout'` are the same.
 */
export function readModuleDirectives(text: string): DirectiveAnswer {
  const reader = new Reader();
  const found = MODULE.exec(text);
  if (found === null) return reader.answer();
  const start = found.index + found[0].length;
  const object = /^\{((?:[^{}'"`]|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`[^`$]*`)*)\}/.exec(withoutComments(text.slice(start)))?.[1];
  if (object === undefined) {
    reader.problem('the directives of a module are written out: export const migrate = { key: "value" }', start);
    return reader.answer();
  }
  const entry = /\s*(?:(['"]?)([\w-]+)\1)\s*:\s*(\[[^\]]*\]|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`[^`$]*`)\s*(?:as\s+const\s*)?(?:,|$)/y;
  for (let at = 0; object.slice(at).trim() !== '';) {
    entry.lastIndex = at;
    const match = entry.exec(object);
    if (match === null) {
      reader.problem(`cannot read this directive: ${object.slice(at).trim().split('\n')[0]}. Values are strings, or lists of strings`, start + 1 + at);
      break;
    }
    const [whole, , name = '', value = ''] = match;
    const key = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    reader.key(key, start + 1 + at);
    for (const one of value.match(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`[^`$]*`/g) ?? []) {
      reader.entry(key, one.slice(1, -1).replaceAll(/\\(.)/g, '$1'), start + 1 + at);
    }
    at += whole.length;
  }
  return reader.answer();
}

/** Comments become spaces, so that offsets hold. */
function withoutComments(text: string): string {
  return text.replaceAll(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`[^`]*`|\/\/[^\n]*|\/\*[^]*?\*\//g, (found) =>
    found.startsWith('/') ? found.replaceAll(/[^\n]/g, ' ') : found,
  );
}

class Reader {
  #directives: Directives = noDirectives;
  readonly #problems: DirectiveProblem[] = [];
  readonly #seen = new Set<string>();

  problem(message: string, start: number, otherTool?: string): void {
    this.#problems.push(otherTool === undefined ? { message, start } : { message, start, otherTool });
  }

  answer(): DirectiveAnswer {
    return { directives: this.#directives, problems: this.#problems };
  }

  /** `key=value key=value`; a description takes the rest of the line. */
  line(text: string, start: number): void {
    if (text === '') this.problem('a directive says key=value', start);
    for (let rest = text; rest !== '';) {
      const match = /^([^\s=]+)\s*=\s*("(?:[^"\\]|\\.)*"|\S+)\s*/.exec(rest);
      if (match === null) {
        this.problem(`"${rest}" is no directive: it says key=value, with one of ${KEYS.join(', ')}`, start);
        return;
      }
      const [whole, key = '', raw = ''] = match;
      if (key === 'description' && !raw.startsWith('"')) {
        this.entry(key, rest.slice(rest.indexOf('=') + 1).trim(), start);
        return;
      }
      this.key(key, start);
      this.entry(key, raw.startsWith('"') ? raw.slice(1, -1).replaceAll(/\\(.)/g, '$1') : raw, start);
      rest = rest.slice(whole.length);
    }
  }

  /** Whether there is such a key; of a list without values too. */
  key(key: string, start: number): void {
    if ((KEYS as readonly string[]).includes(key)) return;
    const [near] = nearest(key, KEYS);
    this.problem(`unknown directive "${key}"${near === undefined ? '' : ` (did you mean ${near}?)`}: the directives are ${KEYS.join(', ')}`, start);
  }

  entry(key: string, value: string, start: number): void {
    if (!(KEYS as readonly string[]).includes(key)) return;
    if (key !== 'requires' && this.#seen.has(key)) this.problem(`the directive ${key} is given twice`, start);
    this.#seen.add(key);
    const wrong = this.#set(key as Key, value);
    if (wrong !== null) this.problem(`${key}=${value}: ${wrong}`, start);
  }

  #set(key: Key, value: string): string | null {
    const before = this.#directives;
    switch (key) {
      case 'transaction':
        if (value !== 'none' && value !== 'per-migration') return 'must be none or per-migration';
        this.#directives = { ...before, transaction: value };
        return null;
      case 'requires': {
        const requirements: Requirement[] = [];
        for (const one of value.split(',').map((part) => part.trim())) {
          const [, service, version] = /^([^@\s]+)@([^@\s]+)$/.exec(one) ?? [];
          if (service === undefined || version === undefined) return 'must be service@version, such as user@0003';
          requirements.push({ service, version });
        }
        this.#directives = { ...before, requires: [...before.requires, ...requirements] };
        return null;
      }
      case 'lock-timeout':
      case 'statement-timeout': {
        const milliseconds = parseMilliseconds(value);
        if (milliseconds === null) return 'must be a duration such as 500ms, 2s, 5min or 1h (0 for none)';
        this.#directives = key === 'lock-timeout' ? { ...before, lockTimeoutMs: milliseconds } : { ...before, statementTimeoutMs: milliseconds };
        return null;
      }
      case 'description':
        this.#directives = { ...before, description: value };
        return null;
      case 'down':
        if (value !== 'lossless') return 'must be lossless';
        this.#directives = { ...before, down: value };
        return null;
      case 'parse':
        if (value !== 'off' && value !== 'on') return 'must be on or off';
        this.#directives = { ...before, parse: value };
        return null;
    }
  }
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000 };

/** `500ms`, `2s`, `5m`, `5min`, `1h`; `0` is none. `null` when it is none of these, or more than PostgreSQL can hold. */
export function parseMilliseconds(text: string): number | null {
  if (text === '0') return 0;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|min|h)$/.exec(text) ?? [];
  if (amount === undefined || unit === undefined) return null;
  const milliseconds = Math.round(Number(amount) * (UNITS[unit] ?? 0));
  return milliseconds <= 2_147_483_647 ? milliseconds : null;
}
