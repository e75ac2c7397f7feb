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
      if (group === undefined) this.#groups.set(key, { finding, tenants: [who], known: tenant !== null });
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
    const lines = told.flatMap(({ finding, tenants, known }) =>
      renderFinding(
        known ? worded(finding, (text) => aboutTenants(text, tenants, flags)) : finding,
        colours,
        finding.code === 'stray' ? null : printable(tenantNames(tenants, extent)),
      ),
    );
    if (told.length < groups.length) lines.push(`  … and ${plural(groups.length - told.length, 'more finding')}; --verbose shows all, --json too`);
    return lines;
  }
}
