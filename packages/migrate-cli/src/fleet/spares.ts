/** Places for tenants made ahead, behind a run and behind new tenants: without them a new tenant takes longer, and nothing else is wrong. */

import type { SparePreparation, Tenancy, TenantSpares } from '@org/migrate-core';

import type { Invocation } from '../invocation.ts';
import { errorKeys } from '../render/document.ts';
import type { Colours } from '../render/colour.ts';
import { plural, printableText } from '../render/text.ts';

/** Makes what is lacking, drops what is left over, and tells what was done. `null` after a signal. Never throws, and is no reason for a run to fail. */
export async function prepareSpares({ output, signal }: Invocation, tenancy: Tenancy): Promise<SparePreparation | null> {
  if (signal.aborted) return null;
  const preparation = await tenancy.prepareSpares({ signal });
  if (signal.aborted) return null;
  for (const line of preparationLines(preparation, output.colours)) output.line(`  ${line}`);
  return preparation;
}

/** Nothing where nothing was done. */
function preparationLines({ ready, made, dropped, error }: SparePreparation, colours: Colours): readonly string[] {
  const done = [
    ...(made === 0 ? [] : [`${plural(made, 'spare')} made for new tenants`]),
    ...(dropped === 0 ? [] : [`${dropped}${made === 0 ? ` ${dropped === 1 ? 'spare' : 'spares'}` : ''} dropped`]),
  ];
  return [
    ...(done.length === 0 ? [] : [`${colours.green('✓')} ${done.join(', ')}; ${ready} ready`]),
    ...(error === null ? [] : [`${colours.yellow('!')} spares for new tenants: ${printableText(error.message)}`]),
    ...(error === null || error.hint === null ? [] : [`  ${colours.cyan('→')} ${printableText(error.hint)}`]),
  ];
}

/** In a document: left out where there are none, and nothing was done. */
export function preparationKeys(preparation: SparePreparation | null): Readonly<Record<string, unknown>> {
  if (preparation === null) return {};
  const { error, ...counts } = preparation;
  if (error === null && Object.values(counts).every((one) => one === 0)) return {};
  return { spares: { ...counts, error: error === null ? null : errorKeys(error) } };
}

/** Under the number of tenants. */
export function sparesLine(spares: TenantSpares | null, colours: Colours): readonly string[] {
  if (spares === null || spares.wanted === 0) return [];
  const { wanted, ready } = spares;
  return [colours.dim(`  ${ready} of ${plural(wanted, 'spare')} ready for new tenants`)];
}
