/** The commands, in the order of `--help`. A command is loaded when it is the one that was typed. */

import type { ExitCode } from './exit.ts';
import type { Invocation } from './invocation.ts';
import type { OptionName } from './options.ts';

export interface CommandModule {
  /** What follows the command's name, if anything does. */
  readonly argument?: {
    readonly name: string;
    readonly description: string;
    readonly need: 'required' | 'optional';
    /** Default one. */
    readonly count?: 'one' | 'several';
  };
  /** A paragraph for `--help`, under the summary. */
  readonly help?: string;
  readonly options: readonly OptionName[];
  /** Command lines, each with what it is for. */
  readonly examples: readonly (readonly [line: string, purpose: string])[];
  /** Throws `MigrationError`, which `main` prints and turns into an exit code. */
  run(invocation: Invocation): Promise<ExitCode>;
}

export interface CommandEntry {
  /** Of a group's command both words: `tenants list`. */
  readonly name: string;
  readonly summary: string;
  load(): Promise<{ readonly command: CommandModule }>;
}

export const commands: readonly CommandEntry[] = [
  { name: 'up', summary: 'apply what is pending', load: () => import('./commands/up.ts') },
  { name: 'down', summary: 'undo the last migration, or more', load: () => import('./commands/down.ts') },
  { name: 'redo', summary: 'down, then up, of the last migration', load: () => import('./commands/redo.ts') },
  { name: 'status', summary: 'what is applied, what is pending, what is wrong', load: () => import('./commands/status.ts') },
  { name: 'plan', summary: 'exactly what up or down would run', load: () => import('./commands/plan.ts') },
  { name: 'log', summary: 'who did what, and when', load: () => import('./commands/log.ts') },
  { name: 'create', summary: 'a new migration, in the folder’s own naming style', load: () => import('./commands/create.ts') },
  { name: 'check', summary: 'files, names, requirements, and whether every down undoes its up', load: () => import('./commands/check.ts') },
  { name: 'verify', summary: 'whether databases are what their histories say, and keep tenants apart', load: () => import('./commands/verify.ts') },
  { name: 'repair', summary: 'put the history right after a person put the schema right', load: () => import('./commands/repair.ts') },
  { name: 'adopt', summary: 'take over the history of another tool', load: () => import('./commands/adopt.ts') },
];

/** Commands whose first word they share. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly CommandEntry[];
}

export const groups: readonly CommandGroup[] = [
  {
    name: 'tenants',
    summary: 'the tenants of a service: list, create, drop, restore, status, verify, backfill',
    commands: [
      { name: 'tenants list', summary: 'who there is, where, and in which state', load: () => import('./commands/tenants/list.ts') },
      { name: 'tenants create', summary: 'make tenants, migrated and whole', load: () => import('./commands/tenants/create.ts') },
      { name: 'tenants drop', summary: 'put a tenant away, or delete it', load: () => import('./commands/tenants/drop.ts') },
      { name: 'tenants restore', summary: 'bring back a tenant that was put away', load: () => import('./commands/tenants/restore.ts') },
      { name: 'tenants status', summary: 'how many are at which version, which are behind, and why', load: () => import('./commands/tenants/status.ts') },
      { name: 'tenants verify', summary: 'whether each is what its history says, and what differs', load: () => import('./commands/tenants/verify.ts') },
      { name: 'tenants backfill', summary: 'make again the required tables that damaged tenants lack', load: () => import('./commands/tenants/backfill.ts') },
    ],
  },
];
