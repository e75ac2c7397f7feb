/** What can destroy is not done by accident. */

import { MigrationError } from '@org/migrate-core';

import { isProduction } from './environment.ts';
import type { Invocation } from './invocation.ts';
import type { Selection } from './selection.ts';

/**
 * `always`: asks on a terminal, and needs `--yes` without one. `severalOnly`: not for one service in development, where
 * undoing and applying again is what a day's work is made of.
 */
export type Caution = 'always' | 'severalOnly';

/** Throws `invalidOptions` unless it may be done. @param what A clause: `undo the last migration`. */
export async function confirm(invocation: Invocation, selection: Selection, caution: Caution, what: string): Promise<void> {
  const { options } = invocation;
  const names = selection.services.map((one) => one.name).join(', ');
  const production = selection.services.some((service) => isProduction(service.input.environment));
  if (production && options.allowProduction !== true) {
    throw new MigrationError({
      code: 'invalidOptions',
      message: `NODE_ENV is production, and this could lose data: ${what}, for ${names}. Nothing was done.`,
      hint: 'add --allow-production (and --yes without a terminal) when it is meant',
    });
  }
  if (options.yes === true || (caution === 'severalOnly' && !production && selection.services.length === 1)) return;
  const where = await Promise.all(selection.services.map(async (service) => `${service.name} (${(await service.connection()).display})`));
  const answer = await invocation.ask(`This will ${what}, for ${where.join(', ')}. Go on?`);
  if (answer === true) return;
  if (answer === false) throw new MigrationError({ code: 'aborted', message: 'Not confirmed: nothing was done.' });
  throw new MigrationError({
    code: 'invalidOptions',
    message: `This could lose data: ${what}, for ${names}. There is no terminal to ask on, and nothing was done.`,
    hint: 'add --yes when it is meant',
  });
}
