/** Commands that a message names, as they are to be typed where the command line said more than the folder does. Pure. */

import { inQuotes } from '@org/migrate-core';

import type { Options } from './options.ts';

type Place = Pick<Options, 'dir' | 'url' | 'host' | 'port' | 'user' | 'database' | 'schema' | 'table' | 'envFile' | 'tenantSchemas' | 'tenantDatabases'>;

/** A command and the rest of its line, up to the next command or the end of the sentence. */
const COMMAND = /\bmigrate (up|down|redo|status|plan|log|repair|create|check|verify|adopt)\b((?:(?!\bmigrate |[;.)](?:\s|$)|, or|\n).)*)/g;
/** These touch no database. */
const FILES_ONLY = new Set(['create', 'check']);
/** Then it is about something else than what was typed, or tells the whole place. */
const ELSEWHERE = /--(?:help|service|tenant|source|tenant-schemas|tenant-databases)\b/;

/**
 * `migrate repair 0002` is `migrate repair --dir m --url … 0002` after `migrate up --dir m --url postgres://…`. The URL is not repeated: it may hold a password.
 * Without such options the text comes back as it is.
 */
export function located(text: string, { dir, url, host, port, user, database, schema, table, envFile, tenantSchemas, tenantDatabases }: Place): string {
  // What is right for a service is not for tenants: their commands say which of them.
  if (tenantSchemas !== undefined || tenantDatabases !== undefined) return text;
  const flags = [
    ['--dir', dir],
    ['--url', url === undefined ? undefined : '…'],
    ['--host', host],
    ['--port', port],
    ['--user', user],
    ['--database', database],
    ['--schema', schema],
    ['--table', table],
    ['--env-file', envFile],
  ] as const;
  if (flags.every(([, value]) => value === undefined)) return text;
  return text.replaceAll(COMMAND, (whole, command: string, rest: string) => {
    if (ELSEWHERE.test(rest)) return whole;
    const missing = flags.flatMap(([flag, value]) => {
      const wanted = flag === '--dir' || !FILES_ONLY.has(command);
      return value === undefined || !wanted || rest.includes(flag) ? [] : ` ${flag} ${value === '…' ? value : inQuotes(value)}`;
    });
    return `migrate ${command}${missing.join('')}${rest}`;
  });
}

/** The same of what is wrong with a history or a plan. */
export function locatedProblems<P extends { readonly message: string }>(problems: readonly P[], locate: (text: string) => string): P[] {
  return problems.map((one) => ({ ...one, message: locate(one.message) }));
}
