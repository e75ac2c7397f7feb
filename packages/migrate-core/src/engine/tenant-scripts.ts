/** The scripts of one source for its tenants: each looked through once, whatever their number. Writes nothing. */

import { MigrationError } from '../errors.ts';
import { readScript, type HistoryRow, type HistoryTables } from '../history.ts';
import type { CompiledMigration, LiveScript, Script } from '../migration.ts';
import { positionIn } from '../position.ts';
import type { Session } from '../session.ts';
import { addScript } from '../source/tenant-schema/created-in.ts';
import { CreatedNames } from '../source/tenant-schema/created.ts';
import { liveFor } from '../source/tenant-schema/live.ts';
import { mayName } from '../source/tenant-schema/places.ts';
import type { TenantSchema } from '../source/tenant-schema/template.ts';
import { TenantScript } from '../source/tenant-schema/tenant-script.ts';
import { compileSql } from '../source/script.ts';

/** Of one migration so many mentions that are left as they are are told; `migrate check` tells all. */
const MOST_TOLD = 5;

export class TenantScripts {
  readonly #compileAll: () => Promise<readonly CompiledMigration[]>;
  #known: Promise<CreatedNames> | null = null;
  /** Keys of stored scripts whose names are among the known ones. */
  readonly #stored = new Set<string>();
  #templates = new WeakMap<Script, Promise<TenantScript>>();
  readonly #told = new Set<string>();

  /** @param compileAll Every migration of the source, in its order: an early one makes what a late one names. */
  constructor(compileAll: () => Promise<readonly CompiledMigration[]>) {
    this.#compileAll = compileAll;
  }

  /** Names that only stored scripts tell: of migrations that are applied, and whose files are in another build. */
  async learn(session: Session, tables: HistoryTables, rows: readonly HistoryRow[]): Promise<void> {
    for (const { script } of rows) {
      if (script === null || this.#stored.has(script)) continue;
      const stored = await readScript(session, tables, script);
      this.#stored.add(script);
      if (stored?.up == null) continue;
      const known = await this.#names();
      await addScript(await compileSql(stored.up, { transaction: 'per-migration', parse: stored.downParse, origin: null }), known);
      this.#templates = new WeakMap();
    }
  }

  /**
   * @throws MigrationError `invalidMigration` for what cannot be one tenant's, or when a migration of the source cannot be compiled; `invalidOptions` for a schema
   * whose name cannot stand where it has to.
   */
  async for(tenant: TenantSchema, name: string, script: Script | LiveScript): Promise<Script | LiveScript> {
    if (script.kind === 'live') return liveFor(script, await this.#names(), tenant);
    try {
      return (await this.#template(script)).for(tenant);
    } catch (error) {
      if (!(error instanceof MigrationError) || error.migration !== null) throw error;
      const { code, message, hint, position } = error;
      throw new MigrationError({
        code,
        message: `${name}: ${message}`,
        hint: hint ?? undefined,
        migration: name,
        position: position ?? undefined,
        cause: error,
      });
    }
  }

  /** Mentions of `public` that are left as they are, for people; of each script only the first time. */
  async undecided(name: string, script: Script | LiveScript): Promise<readonly string[]> {
    if (script.kind === 'live') return [];
    const { undecided } = await this.#template(script);
    const key = `${name}\0${script.sql}`;
    if (undecided.length === 0 || this.#told.has(key)) return [];
    this.#told.add(key);
    const told = undecided.slice(0, MOST_TOLD).map(({ start, reason }) => {
      const { file, line, column } = positionIn(script, start);
      return `${file === null ? 'line ' : `${file}:`}${line}:${column}: left as it is for tenants: ${reason}`;
    });
    const rest = undecided.length - told.length;
    return rest === 0 ? told : [...told, `and ${rest} more such place${rest === 1 ? '' : 's'}: migrate check tells them all`];
  }

  #template(script: Script): Promise<TenantScript> {
    let template = this.#templates.get(script);
    if (template === undefined) {
      template = this.#make(script);
      this.#templates.set(script, template);
    }
    return template;
  }

  async #make(script: Script): Promise<TenantScript> {
    // Most sources never name a schema: nobody has to know what they make.
    const concerned = script.statements.some(
      ({ text, transaction, kind }) => mayName(text) || transaction === 'forbidden' || /^(?:Reindex|Cluster)/.test(kind),
    );
    if (!concerned) return TenantScript.of(script, new CreatedNames());
    return TenantScript.of(script, await this.#names());
  }

  /** Of the whole source, and of the stored scripts read so far. */
  #names(): Promise<CreatedNames> {
    this.#known ??= this.#readSource();
    return this.#known;
  }

  async #readSource(): Promise<CreatedNames> {
    const names = new CreatedNames();
    for (const { up, down } of await this.#compileAll()) {
      await addScript(up, names);
      // A down that renames back, or makes again what its up dropped.
      if (down !== null) await addScript(down, names);
    }
    return names;
  }
}
