/** What was typed after `pnpm migrate`. Pure. */

import { resolve } from 'node:path';

export type MigrateCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'usageError'; readonly message: string }
  /** Turbo's tasks, in the order of the workspace's dependencies: the services that the filters name and what they depend on; none names all. */
  | { readonly kind: 'tasks'; readonly filters: readonly string[]; readonly up: readonly string[] }
  /** The command line itself, which knows every service and orders them: where one answer for all of them is wanted, or some were named. */
  | { readonly kind: 'commandLine'; readonly filters: readonly string[]; readonly up: readonly string[] };

/** Answered once for all services: one JSON document, one plan in which later services see what earlier ones would apply. */
const oneAnswer = ['--json', '--dry-run'];
/** For the services that have tenants: the others would not know what is meant. */
const aboutTenants = ['--source', '--tenant', '--concurrency', '--canary', '--max-failures'];
const help = ['--help', '-h'];

/** Takes `--filter` for turbo; all else is for `migrate up`. */
export function readArguments(args: readonly string[]): MigrateCommand {
  const filters: string[] = [];
  const up: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? '';
    const [, inline] = /^(?:--filter|-F)=(.*)$/s.exec(arg) ?? [];
    if (inline === undefined && arg !== '--filter' && arg !== '-F') {
      // Some shells' habits, and npm, put it there: what follows is ours all the same.
      if (arg !== '--') up.push(arg);
      continue;
    }
    const filter = inline ?? args[++index] ?? '';
    if (filter === '' || filter.startsWith('--'))
      return { kind: 'usageError', message: 'What should --filter find? For example: pnpm migrate --filter patient.' };
    filters.push(filter);
  }
  if (up.some((arg) => help.includes(arg))) return { kind: 'help' };
  if (names(up, '--service')) {
    if (filters.length > 0) {
      return { kind: 'usageError', message: '--filter adds what the services depend on, --service means exactly those: give one of the two.' };
    }
    return { kind: 'commandLine', filters, up };
  }
  const together = oneAnswer.some((flag) => up.includes(flag)) || aboutTenants.some((flag) => names(up, flag));
  return { kind: together ? 'commandLine' : 'tasks', filters, up };
}

/** Of the arguments of `up`, those that say where the databases are and which of them: what the table at the end has to be asked with. */
export function placeArguments(up: readonly string[]): string[] {
  const flags = ['--service', '--url', '--host', '--port', '--user', '--password', '--database', '--schema', '--table', '--env-file'];
  return up.flatMap((arg, index) => {
    if (flags.some((flag) => arg.startsWith(`${flag}=`))) return [arg];
    const value = up[index + 1];
    return flags.includes(arg) && value !== undefined ? [arg, value] : [];
  });
}

/** Each service's task runs in that service's folder, where a file's relative path would mean another file. */
export function withAbsoluteFiles(up: readonly string[], folder: string): string[] {
  return up.map((arg, index) => {
    if (up[index - 1] === '--env-file') return resolve(folder, arg);
    const [, file] = /^--env-file=(.+)$/s.exec(arg) ?? [];
    return file === undefined ? arg : `--env-file=${resolve(folder, file)}`;
  });
}

/** What `--env-file` names. */
export function environmentFiles(up: readonly string[]): string[] {
  return up.flatMap((arg, index) => (up[index - 1] === '--env-file' ? [arg] : (/^--env-file=(.+)$/s.exec(arg)?.slice(1) ?? [])));
}

export function names(args: readonly string[], flag: string): boolean {
  return args.some((arg) => arg === flag || arg.startsWith(`${flag}=`));
}
