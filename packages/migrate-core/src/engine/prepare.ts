/** From a plan's steps to what will run: compiled ups and downs, checked by the very server at hand. Writes nothing. */

import { hash } from 'node:crypto';

import { readScript, type HistoryRow, type HistorySnapshot, type HistoryTables, type StoredScript } from '../history.ts';
import { canBeRead, isUnread, refuseUnreadable } from './grammar.ts';
import { whyNotResumed } from './progress.ts';
import type { CompiledMigration, Grammar, LiveScript, Migration, MigrationSource, Script } from '../migration.ts';
import type { Problem, Step } from '../plan.ts';
import type { RecordInput } from '../record.ts';
import type { ReadyStep } from './run-state.ts';
import type { Session } from '../session.ts';
import { compileSql } from '../source/script.ts';
import type { TenantSchema } from '../source/tenant-schema/template.ts';
import type { TenantScripts } from './tenant-scripts.ts';
import { inQuotes } from '../shell.ts';

/** A ready step and where its SQL comes from. */
export interface PreparedStep extends ReadyStep {
  readonly from: 'file' | 'stored';
}

/** What is told of one migration. */
export interface Remark {
  readonly name: string;
  readonly message: string;
}

export interface Prepared {
  readonly steps: readonly PreparedStep[];
  readonly problems: readonly Problem[];
  /** For people, once for all targets. */
  readonly warnings: readonly Remark[];
  /** Whether the steps are the same for every target in this state: none names what is a tenant's own. */
  readonly forAll: boolean;
}

export class Preparation {
  readonly #source: MigrationSource;
  readonly #migrations: ReadonlyMap<string, Migration>;
  readonly #compiled = new Map<string, CompiledMigration>();
  readonly #storedDowns = new Map<string, Promise<Script>>();
  /** What the source's scripts are for targets with a schema of their own. */
  #tenants: Promise<TenantScripts> | null = null;

  constructor(source: MigrationSource, migrations: readonly Migration[]) {
    this.#source = source;
    this.#migrations = new Map(migrations.map((migration) => [migration.name, migration]));
  }

  /**
   * Compiled once per process, whatever the number of targets.
   *
   * @param grammar `known`: this server has read the same steps for another target.
   */
  async prepare(
    session: Session,
    tables: HistoryTables,
    snapshot: HistorySnapshot,
    steps: readonly Step[],
    tenant: TenantSchema | null,
    grammar: 'ask' | 'known' = 'ask',
    // For a tenant's schema everything is parsed in any case.
    by: Grammar = tenant === null ? 'server' : 'here',
  ): Promise<Prepared> {
    await this.#compile(steps, snapshot, by);
    const prepared: PreparedStep[] = [];
    const problems: Problem[] = [];
    const warnings: Remark[] = [];
    let forAll = true;
    for (const step of steps) {
      const row = snapshot.applied.find((one) => one.name === step.name) ?? null;
      const ready = step.direction === 'up' ? this.#up(step, row) : await this.#down(session, tables, step, row);
      if ('code' in ready) {
        problems.push(ready);
        continue;
      }
      const found = tenant === null ? ready : await this.#forTenant(tenant, ready, { session, tables, snapshot });
      prepared.push(found);
      forAll &&= found.script === ready.script;
      if (tenant !== null) warnings.push(...(await this.#undecided(ready)));
      const changed = step.mode === 'resume' && found.script.kind === 'sql' ? whyNotResumed(step.name, found.script, row?.progress ?? null) : null;
      if (changed !== null)
        problems.push({ code: 'interrupted', severity: 'error', name: step.name, version: step.version, message: `${step.name}: ${changed}` });
    }
    if (problems.length === 0 && grammar === 'ask') {
      const unread = prepared.filter(({ script }) => isUnread(script));
      // A source that answers as before when it is asked again is not asked a third time.
      if (by === 'server' && unread.length > 0 && !(await canBeRead(session, unread)))
        return this.prepare(session, tables, snapshot, steps, tenant, grammar, 'here');
      await refuseUnreadable(session, snapshot, by === 'server' ? prepared.filter(({ script }) => !isUnread(script)) : prepared);
    }
    return { steps: prepared, problems, warnings, forAll };
  }

  /** What the history keeps of this migration, compiled as it is now. */
  async record(name: string): Promise<RecordInput> {
    const migration = this.#migrations.get(name) as Migration;
    const compiled = this.#compiled.get(name) ?? ((await this.#source.compile([name]))[0] as CompiledMigration);
    this.#compiled.set(name, compiled);
    return recordOf(migration, compiled);
  }

  async #forTenant(
    tenant: TenantSchema,
    step: PreparedStep,
    { session, tables, snapshot }: { readonly session: Session; readonly tables: HistoryTables; readonly snapshot: HistorySnapshot },
  ): Promise<PreparedStep> {
    const scripts = await this.#tenantScripts();
    // What other builds' migrations made is known only by what was stored with them.
    if (step.from === 'stored') {
      const elsewhere = snapshot.applied.filter((one) => !this.#migrations.has(one.name));
      await scripts.learn(session, tables, elsewhere);
    }
    return { ...step, script: await scripts.for(tenant, step.name, step.script) };
  }

  async #undecided({ name, script }: PreparedStep): Promise<readonly Remark[]> {
    const told = await (await this.#tenantScripts()).undecided(name, script);
    return told.map((message) => ({ name, message }));
  }

  /** Loaded for tenants only. */
  #tenantScripts(): Promise<TenantScripts> {
    this.#tenants ??= import('./tenant-scripts.ts').then(({ TenantScripts: Scripts }) => new Scripts(() => this.#source.compile([...this.#migrations.keys()])));
    return this.#tenants;
  }

  async #compile(steps: readonly Step[], snapshot: HistorySnapshot, by: Grammar): Promise<void> {
    const wanted = steps
      .filter((step) => !this.#isCompiled(step.name, by) && (step.direction === 'up' || this.#fileServes(step.name, snapshot)))
      .map((step) => step.name);
    if (wanted.length === 0) return;
    for (const compiled of await this.#source.compile([...new Set(wanted)], by)) this.#compiled.set(compiled.name, compiled);
  }

  /** What nobody has parsed stays until it is parsed: other targets may be using it. */
  #isCompiled(name: string, by: Grammar): boolean {
    const compiled = this.#compiled.get(name);
    return compiled !== undefined && (by === 'server' || ![compiled.up, compiled.down].some((script) => script !== null && isUnread(script)));
  }

  /** The file's own down serves as long as its up is the one that was applied. */
  #fileServes(name: string, snapshot: HistorySnapshot): boolean {
    const migration = this.#migrations.get(name);
    const row = snapshot.applied.find((one) => one.name === name);
    return migration !== undefined && migration.checksum === row?.checksum;
  }

  #up(step: Step, row: HistoryRow | null): PreparedStep {
    const migration = this.#migrations.get(step.name) as Migration;
    const compiled = this.#compiled.get(step.name) as CompiledMigration;
    return this.#ready(step, row, migration, compiled.up, storedScript(compiled, migration.directives.parse), 'file');
  }

  async #down(session: Session, tables: HistoryTables, step: Step, row: HistoryRow | null): Promise<PreparedStep | Problem> {
    const migration = this.#migrations.get(step.name) ?? null;
    const compiled = this.#compiled.get(step.name);
    if (compiled?.down != null) return this.#ready(step, row, migration, compiled.down, null, 'file');
    const problem = (message: string): Problem => ({ code: 'irreversible', severity: 'error', name: step.name, version: step.version, message });
    if (row?.script == null) {
      const reason =
        compiled?.irreversible ??
        (migration === null ? 'there is no file of it that can be read, and no down was stored with it' : 'no down was stored with it');
      return problem(`${step.name} cannot be undone: ${reason}. Write a down, or a new migration that takes it back`);
    }
    const stored = await readScript(session, tables, row.script);
    if (stored?.down == null)
      return problem(
        `${step.name} cannot be undone: ${compiled?.irreversible ?? 'no down was stored with it'}. Write a down, or a new migration that takes it back`,
      );
    if (stored.writers.length > 0) {
      return problem(
        `the stored down of ${step.name} was not used: ${stored.writers.join(', ')} could have written it. Take the right back with: REVOKE ALL ON ${tables.scripts}, ${tables.history} FROM ${stored.writers.join(', ')}; where it is their owner, connect as it or change the owner`,
      );
    }
    if (sha256(stored.down) !== stored.downChecksum) {
      return problem(
        `the stored down of ${step.name} was changed after it was stored (its checksum differs); it was not used. Undo it by hand, then type: migrate repair --mark-undone ${inQuotes(step.name)}`,
      );
    }
    const script = await this.#storedDown(stored, stored.down);
    return this.#ready(step, row, migration, script, null, 'stored');
  }

  /** Compiled once, whatever the number of targets. */
  #storedDown({ downTransaction, downParse }: StoredScript, down: string): Promise<Script> {
    const key = `${downTransaction}\0${downParse}\0${down}`;
    const known = this.#storedDowns.get(key) ?? compileSql(down, { transaction: downTransaction ?? 'per-migration', parse: downParse, origin: null });
    this.#storedDowns.set(key, known);
    return known;
  }

  #ready(
    step: Step,
    row: HistoryRow | null,
    migration: Migration | null,
    script: Script | LiveScript,
    stored: StoredScript | null,
    from: PreparedStep['from'],
  ): PreparedStep {
    const directives = migration?.directives;
    return {
      ...step,
      script,
      from,
      row,
      lockTimeoutMs: directives?.lockTimeoutMs ?? null,
      statementTimeoutMs: directives?.statementTimeoutMs ?? null,
      record: {
        name: step.name,
        version: step.version,
        description: migration?.description ?? row?.description ?? '',
        checksum: migration?.checksum ?? row?.checksum ?? '',
        requires: directives?.requires ?? row?.requires ?? [],
        script: stored,
      },
    };
  }
}

function recordOf(migration: Migration, compiled: CompiledMigration): RecordInput {
  const { name, version, description, checksum, directives } = migration;
  return { name, version, description, checksum, requires: directives.requires, script: storedScript(compiled, directives.parse) };
}

/** Hashed once, whatever the number of targets. */
const stored = new WeakMap<CompiledMigration, StoredScript | null>();

/** What the database keeps of a compiled migration; live ones have no text to keep. */
function storedScript(compiled: CompiledMigration, parse: 'on' | 'off'): StoredScript | null {
  let script = stored.get(compiled);
  if (script === undefined) {
    script = scriptToStore(compiled, parse);
    stored.set(compiled, script);
  }
  return script;
}

function scriptToStore(compiled: CompiledMigration, parse: 'on' | 'off'): StoredScript | null {
  const up = compiled.up.kind === 'sql' ? compiled.up.sql : null;
  const down = compiled.down?.kind === 'sql' ? compiled.down : null;
  if (up === null && down === null) return null;
  return {
    key: sha256(`${up ?? ''}\0${down?.sql ?? ''}\0${down?.transaction ?? ''}\0${parse}`),
    up,
    down: down?.sql ?? null,
    downChecksum: down === null ? null : sha256(down.sql),
    downTransaction: down?.transaction ?? null,
    downParse: parse,
  };
}

function sha256(text: string): string {
  return hash('sha256', text);
}
