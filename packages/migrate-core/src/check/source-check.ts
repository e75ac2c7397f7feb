/** Everything that can be said of a source without a server: names, order, directives, syntax. Reads files, and loads modules. */

import { MigrationError, type SourcePosition } from '../errors.ts';
import type { CompiledMigration, LiveScript, MigrationSource, Script, SourceListing } from '../migration.ts';
import { positionIn } from '../position.ts';
import { tenantFindings } from './tenant-findings.ts';

export interface SourceFinding {
  /**
   * `duplicate`: a number or name that occurs twice. `invalidMigration`: what cannot be read, parsed or loaded. `ignored`: a file that is no
   * migration. `empty`: there is no migration at all, or one without a statement. `undecided`: what of a tenant's migration stays as it is, since nobody can
   * tell whether its schema is meant.
   */
  readonly code: 'duplicate' | 'invalidMigration' | 'ignored' | 'empty' | 'undecided';
  readonly severity: 'error' | 'warning';
  /** `null` where it is no migration's. */
  readonly migration: string | null;
  readonly message: string;
  readonly hint: string | null;
  readonly file: string | null;
  readonly position: SourcePosition | null;
}

export interface SourceCheck {
  readonly listing: SourceListing;
  readonly findings: readonly SourceFinding[];
}

export interface SourceCheckOptions {
  /** Where it runs. Default `public`; elsewhere, what it says of `public` is looked at. */
  readonly schema?: string | undefined;
}

/**
 * Compiles every migration and tells every problem at once.
 * @throws MigrationError `invalidOptions` when the source cannot be read at all.
 */
export async function checkSource(source: MigrationSource, { schema = 'public' }: SourceCheckOptions = {}): Promise<SourceCheck> {
  const listing = await source.list();
  const files = new Map(listing.migrations.map((one) => [one.name, one.file]));
  const findings: SourceFinding[] = listing.problems.map(({ code, name, message }) => error(code, name, message, files.get(name) ?? null));
  const { compiled, findings: offline } = await compileAll(source, listing, files);
  const ofTenants = schema === 'public' ? [] : await tenantFindings(compiled, files);
  // A syntax error is told once: with what can be done about it for a tenant.
  findings.push(...offline.map((one) => ofTenants.find((other) => isSame(one, other)) ?? one));
  findings.push(...ofTenants.filter((one) => !offline.some((other) => isSame(one, other))));
  for (const { path, reason } of listing.ignored) {
    findings.push({ code: 'ignored', severity: 'warning', migration: null, message: `not a migration: ${reason}`, hint: null, file: path, position: null });
  }
  if (listing.migrations.length === 0 && findings.length === 0) {
    findings.push({
      code: 'empty',
      severity: 'warning',
      migration: null,
      message: `there is no migration in ${source.label}`,
      hint: 'make the first one with: migrate create NAME',
      file: null,
      position: null,
    });
  }
  return { listing, findings };
}

async function compileAll(
  source: MigrationSource,
  listing: SourceListing,
  files: ReadonlyMap<string, string | null>,
): Promise<{ readonly compiled: readonly CompiledMigration[]; readonly findings: readonly SourceFinding[] }> {
  const compile = async (names: readonly string[]): Promise<readonly CompiledMigration[] | MigrationError> => {
    try {
      return await source.compile(names);
    } catch (thrown) {
      if (thrown instanceof MigrationError) return thrown;
      throw thrown;
    }
  };
  const findings: SourceFinding[] = [];
  const compiled: CompiledMigration[] = [];
  const all = await compile(listing.migrations.map((one) => one.name));
  if (!(all instanceof MigrationError)) compiled.push(...all);
  // All at once is cheap; one by one tells which of them is wrong, and where.
  else {
    for (const { name, file } of listing.migrations) {
      const one = await compile([name]);
      if (one instanceof MigrationError) findings.push({ ...error('invalidMigration', name, one.message, file), hint: one.hint, position: one.position });
      else compiled.push(...one);
    }
  }
  for (const { name, up, down } of compiled) {
    if (up.kind === 'sql' && up.statements.length === 0 && up.syntaxError === undefined) findings.push(nothingToRun(name, files.get(name) ?? null));
    for (const script of [up, down]) {
      const refused = script === null ? null : syntaxFinding(name, script);
      if (refused !== null) findings.push(refused);
    }
  }
  return { compiled, findings };
}

/** A template that nobody filled in would be recorded as applied, and what is written into it later would never run. */
function nothingToRun(migration: string, file: string | null): SourceFinding {
  const message = `${migration} has no statement: applied so, it can only be changed by another migration`;
  return { code: 'empty', severity: 'warning', migration, message, hint: 'write it, or delete it', file, position: null };
}

function syntaxFinding(name: string, script: Script | LiveScript): SourceFinding | null {
  if (script.kind !== 'sql' || script.syntaxError === undefined) return null;
  const { message, start } = script.syntaxError;
  const position = positionIn(script, start);
  return {
    ...error('invalidMigration', name, `${name}: ${message}`, position.file),
    position,
    hint: 'correct it; where your server accepts it all the same, say at the top of the file: -- migrate: parse=off',
  };
}

function isSame(one: SourceFinding, other: SourceFinding): boolean {
  const [at, place] = [one.position, other.position];
  return one.code === other.code && one.message === other.message && at?.line === place?.line && at?.column === place?.column;
}

function error(code: 'duplicate' | 'invalidMigration', migration: string, message: string, file: string | null): SourceFinding {
  return { code, severity: 'error', migration, message, hint: null, file, position: null };
}
