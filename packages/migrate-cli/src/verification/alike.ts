/** Findings of thousands of tenants: those that are the same are told once, with whom. Memory grows with the findings that differ only. */

import type { TargetVerification, VerifyFinding } from '@org/migrate-core';

import { tenantNames } from '../fleet/failures.ts';
import { aboutTenants } from '../fleet/hint.ts';
import type { Colours } from '../render/colour.ts';
import { plural, printable } from '../render/text.ts';
import { renderFinding, worded } from './render.ts';

const MOST_GROUPS = 20;

interface Group {
  readonly finding: VerifyFinding;
  readonly tenants: string[];
  /** Whether those are tenants, and not the places of none. */
  readonly known: boolean;
  /** Whose own place stands in the finding that is told of all of them; `null` where it names none. */
  readonly example: string | null;
}

export class Alike {
  readonly #groups = new Map<string, Group>();

  add({ tenant, schema, database, findings }: TargetVerification): void {
    for (const finding of findings) {
      const own = (text: string | null): string | null =>
        [schema === 'public' ? null : schema, database].reduce(
          (told: string | null, name) => (name === null ? told : (told?.replaceAll(name, '…') ?? null)),
          text,
        );
      // A finding that names the tenant's own schema would make each of them another one.
      const key = JSON.stringify([finding.code, own(finding.object), own(finding.message)]);
      const group = this.#groups.get(key);
      const who = tenant ?? finding.object ?? schema;
      const isOwn = own(finding.message) !== finding.message || own(finding.object) !== finding.object;
      if (group === undefined) this.#groups.set(key, { finding, tenants: [who], known: tenant !== null, example: isOwn ? who : null });
      else group.tenants.push(who);
    }
  }

  /** Errors first, the most frequent first. @param flags What names the same tenants on another command line; empty for a service's own. */
  render(colours: Colours, extent: 'all' | 'first', flags: string): string[] {
    const groups = [...this.#groups.values()].toSorted(
      (a, b) =>
        Number(a.finding.severity === 'warning') - Number(b.finding.severity === 'warning') ||
        b.tenants.length - a.tenants.length ||
        (a.finding.message < b.finding.message ? -1 : 1),
    );
    const told = extent === 'all' ? groups : groups.slice(0, MOST_GROUPS);
    const lines = told.flatMap((group) => {
      const { finding, tenants, known, example } = group;
      // What names one of them names it as its own: its commands are for that one.
      const whom = example === null ? tenants : [example];
      return renderFinding(known ? worded(finding, (text) => aboutTenants(text, whom, flags)) : finding, colours, whose(group, extent));
    });
    if (told.length < groups.length) lines.push(`  … and ${plural(groups.length - told.length, 'more finding')}; --verbose shows all, --json too`);
    return lines;
  }
}

/** `null` where the finding says it by itself. */
function whose({ finding, tenants, example }: Group, extent: 'all' | 'first'): string | null {
  if (finding.code === 'stray' && tenants.length === 1) return null;
  return `${tenantNames(tenants, extent)}${example === null || tenants.length === 1 ? '' : ` (told of ${printable(example)})`}`;
}
