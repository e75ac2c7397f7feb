/** What can destroy is not done by accident. */

import { MigrationError } from '@org/migrate-core';

import { isProduction } from './environment.ts';
import type { Invocation } from './invocation.ts';
import { printable } from './render/text.ts';
import type { Selection } from './selection.ts';

/**
 * `always`: asks on a terminal, and needs `--yes` without one. `unlessLocal`: not for one service in development on a server of this machine, where
 * undoing and applying again is what a day's work is made of.
 */
export type Caution = 'always' | 'unlessLocal';

export interface Deed {
  /** A clause: `undo the last migration`. */
  readonly what: string;
  /** The same with names, which the database is asked for where somebody is asked; `null` where it cannot be told. */
  readonly exactly?: () => Promise<string | null>;
  /** What that does to data, as a clause: one of `effects`; `null` where `what` says it. */
  readonly effect: string | null;
  /** `first`: it is said even where nobody is asked. */
  readonly announced: 'first' | 'withQuestion';
}

export const effects = {
  down: 'the data in what is dropped is lost',
  redo: 'what is dropped comes back empty',
  repair: 'only the history changes',
} as const;

/** Throws `invalidOptions` unless it may be done. What will be done is said once: by itself, in the question, or in the refusal. */
export async function confirm(invocation: Invocation, selection: Selection, caution: Caution, { what, exactly, effect, announced }: Deed): Promise<void> {
  const { options } = invocation;
  const names = selection.services.map((one) => one.name).join(', ');
  const tail = effect === null ? '' : `; ${effect}`;
  if (selection.services.some((service) => isProduction(service.input.environment)) && options.allowProduction !== true) {
    throw new MigrationError({
      code: 'invalidOptions',
      message: `NODE_ENV is production, and this would ${what}, for ${names}${tail}. Nothing was done.`,
      hint: 'add --allow-production (and --yes without a terminal) when it is meant',
    });
  }
  if (options.yes === true || (caution === 'unlessLocal' && (await isLocal(selection)))) {
    if (announced === 'first') invocation.output.line(`This will ${what}.`);
    return;
  }
  const clause = (await exactly?.()) ?? what;
  const where = await Promise.all(selection.services.map(async (service) => `${service.name} (${printable((await service.connection()).display)})`));
  const answer = await invocation.ask(`This will ${clause}, for ${where.join(', ')}${tail}. Go on?`);
  if (answer === true) return;
  if (answer === false) throw new MigrationError({ code: 'aborted', message: 'Not confirmed: nothing was done.' });
  throw new MigrationError({
    code: 'invalidOptions',
    message: `This would ${clause}, for ${names}${tail}. There is no terminal to ask on, and nothing was done.`,
    hint: 'add --yes when it is meant',
  });
}

/** One service in development, on a server of this machine. */
async function isLocal({ services }: Selection): Promise<boolean> {
  const [service] = services;
  if (service === undefined || services.length > 1 || isProduction(service.input.environment)) return false;
  return isThisMachine((await service.connection()).settings.host);
}

/** @param host A name, an address, or the folder of a Unix socket. */
export function isThisMachine(host: string): boolean {
  return host === '' || host.startsWith('/') || ['localhost', '127.0.0.1', '::1', '[::1]'].includes(host.toLowerCase());
}
