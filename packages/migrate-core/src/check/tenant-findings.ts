/** What of a source cannot be made one tenant's own without asking its author. */

import { MigrationError } from '../errors.ts';
import type { CompiledMigration, Script } from '../migration.ts';
import { positionIn } from '../position.ts';
import { addScript } from '../source/tenant-schema/created-in.ts';
import { CreatedNames } from '../source/tenant-schema/created.ts';
import { TenantScript } from '../source/tenant-schema/tenant-script.ts';
import type { SourceFinding } from './source-check.ts';

/** Of migrations that run in a schema other than `public`, in the source's order. */
export async function tenantFindings(compiled: readonly CompiledMigration[], files: ReadonlyMap<string, string | null>): Promise<SourceFinding[]> {
  const known = new CreatedNames();
  for (const { up, down } of compiled) for (const script of [up, down]) if (script !== null) await addScript(script, known);
  const findings: SourceFinding[] = [];
  for (const { name, up, down } of compiled) {
    for (const script of [up, down]) if (script?.kind === 'sql') findings.push(...(await findingsOf(name, script, files.get(name) ?? null, known)));
  }
  return findings;
}

async function findingsOf(migration: string, script: Script, file: string | null, known: CreatedNames): Promise<SourceFinding[]> {
  try {
    const { undecided } = await TenantScript.of(script, known);
    return undecided.map(({ start, reason }) => ({
      code: 'undecided',
      severity: 'warning',
      migration,
      message: `${migration}: left as it is for tenants: ${reason}`,
      hint: hintFor(reason),
      file,
      position: positionOf(script, start),
    }));
  } catch (thrown) {
    if (!(thrown instanceof MigrationError)) throw thrown;
    const { message, hint, position } = thrown;
    return [{ code: 'invalidMigration', severity: 'error', migration, message: `${migration}: ${message}`, hint, file, position }];
  }
}

function positionOf(script: Script, start: number): SourceFinding['position'] {
  return script.origin !== null ? positionIn(script, start) : null;
}

function hintFor(reason: string): string {
  return reason.includes('another tenant')
    ? `say in its condition which schema is meant: current_schema(), or an object as 'name'::regclass`
    : 'where the tenant’s schema is meant, leave the schema out, or ask for it: current_schema()';
}
