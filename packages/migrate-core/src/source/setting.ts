/**
 * Settings that a file makes for itself (every pg_dump begins with some). As the session's they would outlive COMMIT and
 * meet whoever gets the connection next, so they become the transaction's. Pure.
 */

import type { Setting } from '../migration.ts';
import { literal } from '../sql.ts';
import { tokens, type Token } from './lexer.ts';

export interface Rewritten {
  readonly text: string;
  readonly setting: Setting | null;
}

/** `SET x = 1` as `SET LOCAL x = 1`; `RESET x` as `SET LOCAL x TO DEFAULT`; `SELECT set_config('x', '1', false)` with `true`. `null` for everything else. */
export function rewriteSetting(sql: string): Rewritten | null {
  const head = /^(set|reset|select)\b/i.exec(sql)?.[1]?.toLowerCase();
  if (head === undefined) return null;
  if (head === 'select') return /set_config/i.test(sql) ? rewriteSetConfig(sql) : null;
  const words = wordsOf(sql, 4);
  const [first, second, third] = words;
  if (first === undefined || second === undefined) return null;
  const name = (token: Token | undefined): string => (token === undefined ? '' : sql.slice(token.start, token.end));
  const lower = (token: Token | undefined): string => name(token).toLowerCase();
  if (head === 'reset') {
    if (lower(second) === 'all') return null;
    const rest = sql.slice(second.start);
    const parameter = parameterName(rest);
    // Two have names of several words, and no TO before their DEFAULT.
    const local = `SET LOCAL ${rest} ${/^(?:time|session)\s/i.test(rest) ? 'DEFAULT' : 'TO DEFAULT'}`;
    return { text: local, setting: { name: parameter, local, session: `RESET ${rest}` } };
  }
  if (lower(second) === 'local' || lower(second) === 'constraints') {
    return lower(second) === 'constraints' || third === undefined ? null : { text: sql, setting: settingOf(sql.slice(third.start)) };
  }
  // SET SESSION x, but not SET SESSION AUTHORIZATION.
  const from = lower(second) === 'session' && lower(third) !== 'authorization' && third !== undefined ? third : second;
  const rest = sql.slice(from.start);
  return { text: `SET LOCAL ${rest}`, setting: settingOf(rest) };
}

function settingOf(rest: string): Setting {
  return { name: parameterName(rest), local: `SET LOCAL ${rest}`, session: `SET ${rest}` };
}

/** `TIME ZONE`, `ROLE`, `SESSION AUTHORIZATION` and `SCHEMA` are parameters with names of their own. */
function parameterName(rest: string): string {
  const name = /^[\w.]+|^"(?:[^"]|"")*"/.exec(rest)?.[0] ?? rest;
  if (/^time\s+zone\b/i.test(rest)) return 'timezone';
  if (/^session\s+authorization\b/i.test(rest)) return 'session_authorization';
  if (/^schema\b/i.test(rest)) return 'search_path';
  if (/^names\b/i.test(rest)) return 'client_encoding';
  return name.toLowerCase();
}

/** Only the plain call, alone in its SELECT, with constants. */
const CALL =
  /^select\s+(?:pg_catalog\s*\.\s*)?set_config\s*\(\s*('(?:[^']|'')*')\s*,\s*('(?:[^']|'')*')\s*,\s*(false|'f'|'false'|'off'|true|'t'|'true'|'on')\s*\)\s*$/i;

function rewriteSetConfig(sql: string): Rewritten | null {
  const call = CALL.exec(sql);
  if (call === null) return localCalls(sql);
  const [, quotedName = '', value = '', local = ''] = call;
  const name = quotedName.slice(1, -1).replaceAll("''", "'");
  const text = `SELECT pg_catalog.set_config(${literal(name)}, ${value}, true)`;
  const session = `SELECT pg_catalog.set_config(${literal(name)}, ${value}, false)`;
  // The author's text where it was local already.
  return { text: /^(?:true|'t'|'true'|'on')$/i.test(local) ? sql : text, setting: { name: name.toLowerCase(), local: text, session } };
}

function wordsOf(sql: string, count: number): Token[] {
  const found: Token[] = [];
  for (const token of tokens(sql)) {
    if (token.kind === 'lineComment' || token.kind === 'blockComment') continue;
    found.push(token);
    if (found.length === count) break;
  }
  return found;
}

/** `false` in the spellings that a boolean constant has. */
const FALSE = /^(?:false|'f'|'false'|'off'|'n'|'no'|'0')$/i;

/** Every other call of set_config in a SELECT: with a constant `false` as its third argument, that becomes `true`. Offsets hold. */
function localCalls(sql: string): Rewritten | null {
  const all = [...tokens(sql)].filter((token) => token.kind !== 'lineComment' && token.kind !== 'blockComment');
  const read = (token: Token | undefined): string => (token === undefined ? '' : sql.slice(token.start, token.end));
  let text = sql;
  for (const [index, token] of all.entries()) {
    if (!/^"?set_config"?$/i.test(read(token)) || read(all[index + 1]) !== '(') continue;
    let depth = 0;
    let argument = 0;
    for (let at = index + 1; at < all.length; at++) {
      const word = read(all[at]);
      if (word === '(' || word === '[') depth++;
      else if (word === ')' || word === ']') depth--;
      else if (word === ',' && depth === 1) argument++;
      if (depth === 0) break;
      const last = all[at];
      if (argument === 2 && depth === 1 && last !== undefined && FALSE.test(word) && read(all[at - 1]) === ',' && read(all[at + 1]) === ')') {
        text = `${text.slice(0, last.start)}${'true'.padEnd(last.end - last.start)}${text.slice(last.end)}`;
      }
    }
  }
  return text === sql ? null : { text, setting: null };
}
