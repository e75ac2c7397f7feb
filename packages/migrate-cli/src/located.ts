/** Commands that a message names, as they are to be typed where the command line said more than the folder does. Pure. */

import { inQuotes } from '@org/migrate-core';

import type { Options } from './options.ts';

type Place = Pick<
  Options,
  'dir' | 'service' | 'source' | 'url' | 'host' | 'port' | 'user' | 'database' | 'schema' | 'table' | 'envFile' | 'tenantSchemas' | 'tenantDatabases'
>;

/** A command and the rest of its line, up to the next command or the end of the sentence. */
const COMMAND = /\bmigrate (up|down|redo|status|plan|log|repair|create|check|verify|adopt)\b((?:(?!\bmigrate |[;.)](?:\s|$)|, or|\n).)*)/g;
/** These touch no database. */
const FILES_ONLY = new Set(['create', 'check']);
/** Of a service with tenants these have to be told where: what they share, or what each of them has. */
const OF_ONE_SOURCE = new Set(['down', 'redo', 'repair']);
/** Then it is about something else than what was typed, or tells the whole place. */
const ELSEWHERE = /--(?:help|service|tenant|source|tenant-schemas|tenant-databases)\b/;

/** The service that a text is about: of its own database, not of its tenants'. */
export interface About {
  /** `null` where the place says which one is meant. */
  readonly service: string | null;
  readonly sources: 'one' | 'two';
}

/**
 * `migrate repair 0002` is `migrate repair --dir m --url … 0002` after `migrate up --dir m --url postgres://…`. The URL is not repeated: it may hold a password.
 * For one of several services it is `migrate repair --service patient 0002`. Where nothing has to be said the text comes back as it is.
 */
export function located(text: string, place: Place, about: About | null = null): string {
  const { dir, url, host, port, user, database, schema, table, envFile, tenantSchemas, tenantDatabases } = place;
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
  return text.replaceAll(COMMAND, (whole, command: string, rest: string) => {
    if (ELSEWHERE.test(rest)) return whole;
    const missing = [...(rest.includes('--dir') ? [] : serviceFlags(command, place, about)), ...flags].flatMap(([flag, value]) => {
      const wanted = flag === '--dir' || flag === '--service' || !FILES_ONLY.has(command);
      return value === undefined || !wanted || rest.includes(flag) ? [] : ` ${flag} ${value === '…' ? value : inQuotes(value)}`;
    });
    return `migrate ${command}${missing.join('')}${rest}`;
  });
}

/** An up goes on with all that it was typed for; everything else is of one service, and of one of its sources. */
function serviceFlags(command: string, { service, source }: Place, about: About | null): readonly (readonly [string, string | undefined])[] {
  // What is no name may be a URL in the wrong place, with a password.
  const typed = service?.every((one) => /^[\w.-]+$/.test(one)) === true ? service.join(',') : undefined;
  if (command === 'up')
    return [
      ['--service', typed],
      ['--source', source],
    ];
  return [
    ['--service', about?.service ?? typed],
    ['--source', !OF_ONE_SOURCE.has(command) ? undefined : about?.sources === 'two' ? 'shared' : source],
  ];
}

/** The same of what is wrong with a history or a plan. */
export function locatedProblems<P extends { readonly message: string }>(problems: readonly P[], locate: (text: string) => string): P[] {
  return problems.map((one) => ({ ...one, message: locate(one.message) }));
}
