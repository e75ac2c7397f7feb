/** The up and the down of one SQL file: everything outside the "Down Migration" section, and that section. Pure. */

import { chunks, skipTrivia } from './lexer.ts';

export interface Section {
  readonly sql: string;
  /** 0-based line of the file at which it begins. */
  readonly line: number;
}

export interface Sections {
  readonly up: Section;
  readonly down: Section | null;
  /** Two sections of the same kind, or a statement that stands in none. */
  readonly problem: { readonly message: string; readonly start: number } | null;
}

/** node-pg-migrate's spelling, which allows any number of dashes, in any case. */
const MARK = /^--[\s-]*(up|down)\s+migration\b/i;
const MAYBE = /^[ \t]*--[\s-]*(?:up|down)\s+migration/im;

/**
 * Marks are comments on lines of their own; what looks like one inside a string or a function's body is none. Before the
 * first mark stands what belongs to both: comments and directives. What is there besides belongs to the up.
 */
export function readSections(text: string): Sections {
  const whole: Sections = { up: { sql: text, line: 0 }, down: null, problem: null };
  // Most files have none, and reading tokens costs more than a search.
  if (!MAYBE.test(text)) return whole;
  const marks: { readonly kind: 'up' | 'down'; readonly start: number }[] = [];
  for (const token of chunks(text)) {
    if (token.kind !== 'lineComment') continue;
    const kind = MARK.exec(text.slice(token.start, token.end))?.[1]?.toLowerCase();
    if (kind === undefined || !/(?:^|\n)[ \t]*$/.test(text.slice(Math.max(0, token.start - 200), token.start))) continue;
    marks.push({ kind: kind as 'up' | 'down', start: token.start });
  }
  const downs = marks.filter((mark) => mark.kind === 'down');
  const ups = marks.filter((mark) => mark.kind === 'up');
  const [down, secondDown] = downs;
  const twice = secondDown ?? ups[1];
  if (twice !== undefined)
    return {
      ...whole,
      problem: { message: `a second "${twice.kind === 'up' ? 'Up' : 'Down'} Migration" section: a file has one of each`, start: twice.start },
    };
  if (down === undefined) return whole;
  const [up] = ups;
  const section = (from: number, to: number): Section => ({ sql: text.slice(from, to), line: lineAt(text, from) });
  // Blank lines before the mark belong to nobody: adding a down to a file later leaves its up, and so its checksum, as it was.
  if (up === undefined || up.start < down.start) return { up: section(0, endOfLines(text, down.start)), down: section(down.start, text.length), problem: null };
  // The down stands first: the up is what follows it. Directives above still count, since they are read from the whole file.
  const above = skipTrivia(text, 0);
  if (above < down.start)
    return { ...whole, problem: { message: 'a statement above both sections belongs to neither: put it behind the mark of its section', start: above } };
  return { up: section(up.start, text.length), down: section(down.start, up.start), problem: null };
}

/** Behind the last line before `end` that is not blank. */
function endOfLines(text: string, end: number): number {
  const last = text.slice(0, end).trimEnd().length;
  const newline = text.indexOf('\n', last);
  return newline === -1 || newline >= end ? last : newline + 1;
}

function lineAt(text: string, offset: number): number {
  let line = 0;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}
