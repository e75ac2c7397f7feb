/** Makes the spares that are lacking, and drops those that no new tenant may get any more. */

import { MigrationError } from '../errors.ts';
import { historyTables } from '../history.ts';
import { newRun } from '../new-run.ts';
import { textsOfName } from '../schema-script/copy.ts';
import type { Session } from '../session.ts';
import { doBlock, identifier, literal } from '../sql.ts';
import type { SparePreparation } from '../tenancy.ts';
import { pause } from './again.ts';
import { missingTables } from './backfill.ts';
import { recordClone } from './clone-record.ts';
import { connected, tenantError, type TenancyContext } from './context.ts';
import { closedDatabase } from './database-place.ts';
import { copyTemplate as copyDatabase } from './database-template.ts';
import { ensureExtensions } from './extensions.ts';
import { tenantPath } from './layout.ts';
import { runDone } from './registry.ts';
import { copyTemplate as copySchema } from './schema-copy.ts';
import { dropSchema } from './schema-removal.ts';
import { historyOfCopy, schemaTemplate } from './schema-template.ts';
import { SecondConnection } from './second-connection.ts';
import { HALF, newSpareName, readSpares, spareNames, tryLock } from './spare.ts';
import { lockKeyOf, refuseAborted, takeLock } from './tenant-lock.ts';

/** Whoever else makes some is waited for so long; then what is there has to do. */
const WAIT_MS = 10_000;

/** Each spare is a step of its own, under the registry's lock for spares, for which no tenant waits. Never throws: why some are lacking is in the answer. */
export async function prepareSpares(context: TenancyContext, signal: AbortSignal | undefined): Promise<SparePreparation> {
  const counts: Counts = { ready: 0, made: 0, dropped: 0 };
  try {
    await prepare(context, signal, counts);
    return { ...counts, error: null };
  } catch (error) {
    return { ...counts, error: spareError(context, error) };
  }
}

async function prepare(context: TenancyContext, signal: AbortSignal | undefined, counts: Counts): Promise<void> {
  const { layout, registry } = context;
  const until = performance.now() + WAIT_MS;
  const keeper = await context.open(null);
  try {
    // What appears later is another build's, which is at work now: it makes its own, and is not worked against.
    const old = new Set(await allOf(context, keeper));
    for (let attempt = 1; ; attempt++) {
      const plan = await read(context, keeper, old);
      counts.ready = plan.ready;
      refuseAborted(signal);
      if (plan.half.length + plan.surplus.length === 0 && plan.ready >= layout.spares) return;
      const { granted } = await takeLock(keeper, lockKeyOf('spares', registry.table, layout.kind));
      if (granted) {
        await step(context, keeper, signal, old, counts);
        attempt = 0;
      } else if (performance.now() > until) return;
      if (keeper.transactionStatus !== 'I') await keeper.run('ROLLBACK');
      if (!granted) await pause(attempt, signal);
    }
  } finally {
    await keeper.close();
  }
}

interface Counts {
  ready: number;
  made: number;
  dropped: number;
}

interface Plan {
  /** Under the lock only a process that was killed, or a drop that failed, can have left them. */
  readonly half: readonly string[];
  /** Of another template, or more than are wanted: the newest are the first to go. */
  readonly surplus: readonly string[];
  readonly ready: number;
}

async function allOf(context: TenancyContext, session: Session): Promise<readonly string[]> {
  return readSpares(context, session, (await spareNames(context, session)).prefix);
}

/** @param old Those that may be dropped. */
async function read(context: TenancyContext, session: Session, old: ReadonlySet<string>): Promise<Plan> {
  const { current } = await spareNames(context, session);
  const all = await allOf(context, session);
  const whole = all.filter((name) => !name.endsWith(HALF));
  const present = whole.filter((name) => name.startsWith(current));
  const surplus = [...whole.filter((name) => !present.includes(name)), ...present.slice(context.layout.spares)];
  const ours = (names: readonly string[]): readonly string[] => names.filter((name) => old.has(name));
  return { half: ours(all.filter((name) => name.endsWith(HALF))), surplus: ours(surplus), ready: Math.min(present.length, context.layout.spares) };
}

/** One step, under the lock that the keeper's open transaction has. */
async function step(context: TenancyContext, keeper: Session, signal: AbortSignal | undefined, old: Set<string>, counts: Counts): Promise<void> {
  // What the lock's last holder did is seen only now.
  const { half, surplus, ready } = await read(context, keeper, old);
  const [first] = surplus;
  if (half.length > 0) {
    await beside(context, async (admin) => {
      for (const name of half) {
        refuseAborted(signal);
        // Where it cannot be dropped it stays until the next time.
        old.delete(name);
        const done = await drop(context, admin, name).then(
          () => true,
          () => false,
        );
        if (done) counts.dropped++;
      }
    });
  } else if (first !== undefined) {
    // By this no tenant finds it, however long its dropping takes. One that a tenant gets just now, or that somebody uses, is not for us.
    old.delete(first);
    if ((await retire(context, keeper, first)) === 'done') old.add(`${first}${HALF}`);
  } else if (ready < context.layout.spares) {
    await make(context, keeper, signal);
    counts.made++;
  }
}

/** Beside the keeper, which has the lock. Throws `connection` where a pooler has no second connection for us. */
async function beside(context: TenancyContext, work: (admin: Session) => Promise<void>): Promise<void> {
  const second = new SecondConnection(() => context.options.connect(null));
  try {
    await work((await second.use()).session);
  } finally {
    await second.close();
  }
}

async function retire({ layout }: TenancyContext, keeper: Session, name: string): Promise<'done' | 'used'> {
  const rename = `ALTER ${layout.kind.toUpperCase()} ${identifier(name)} RENAME TO ${identifier(`${name}${HALF}`)}`;
  const result = await keeper.run(`${doBlock(`BEGIN IF ${tryLock(literal(name))} THEN EXECUTE ${literal(rename)}; END IF; END`)}; COMMIT`);
  if (result.kind === 'lost') throw result.error;
  return result.kind === 'done' ? 'done' : 'used';
}

async function drop({ layout }: TenancyContext, admin: Session, name: string): Promise<void> {
  if (layout.kind === 'schema') await dropSchema(admin, name);
  else await runDone(admin, `DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`);
}

async function make(context: TenancyContext, keeper: Session, signal: AbortSignal | undefined): Promise<void> {
  const { layout } = context;
  const name = newSpareName(await spareNames(context, keeper));
  const half = `${name}${HALF}`;
  await beside(context, async (admin) => {
    try {
      await (layout.kind === 'schema' ? fillSchema : fillDatabase)(context, admin, half, signal);
      refuseAborted(signal);
      // On the connection that has the lock: whoever lost that makes none ready.
      await runDone(keeper, `ALTER ${layout.kind.toUpperCase()} ${identifier(half)} RENAME TO ${identifier(name)}; COMMIT`);
    } catch (error) {
      await drop(context, admin, half).catch(() => undefined);
      throw error;
    }
  });
}

async function fillSchema(context: TenancyContext, admin: Session, half: string, signal: AbortSignal | undefined): Promise<void> {
  const { layout, options, registry } = context;
  await registry.ensureSchema(admin);
  const template = await schemaTemplate(context, admin);
  const [problem = textsOfName(template, half) === null ? 'a text that is no function’s names the schema' : null] = template.problems;
  if (problem !== null) throw noCopies(problem);
  await ensureExtensions(admin, layout, options.applicationRole);
  await copySchema(admin, template, {
    schema: half,
    others: tenantPath(layout, half).slice(1),
    frame: { first: [`CREATE SCHEMA ${identifier(half)}`], last: historyOfCopy(template.name, half, layout.table) },
    clear: () => dropSchema(admin, half),
    signal,
  });
  await refuseIncomplete(context, admin, half);
}

async function fillDatabase(context: TenancyContext, admin: Session, half: string): Promise<void> {
  const { layout } = context;
  const service = await context.serviceDatabase(admin);
  const template = await copyDatabase(context, admin, half, service);
  // Once connected to, it has what the server keeps for whoever connects next.
  await connected(context, half, async (session) => {
    await recordClone(session, historyTables('public', layout.table), newRun(), template ?? 'a template');
    await refuseIncomplete(context, session, 'public');
  });
  const mark = `Spare for tenants of ${layout.service}, a copy of ${template ?? 'a template'}, made ${new Date().toISOString()}`;
  await runDone(admin, ['BEGIN', `COMMENT ON DATABASE ${identifier(half)} IS ${literal(mark)}`, ...closedDatabase(context, half), 'COMMIT'].join(';\n'));
}

async function refuseIncomplete({ options }: TenancyContext, session: Session, schema: string): Promise<void> {
  const missing = await missingTables(session, schema, options.tenancy.requiredTables ?? []);
  if (missing.length > 0) throw noCopies(`it lacks what tenancy.requiredTables names: ${missing.join(', ')}`);
}

function noCopies(problem: string): MigrationError {
  return new MigrationError({
    code: 'invalidOptions',
    message: `none can be made, since the template cannot be copied: ${problem}`,
    hint: 'new tenants are made one by one without; take tenancy.spares out of the configuration, or change the migrations',
  });
}

function spareError({ layout }: TenancyContext, cause: unknown): MigrationError {
  const error = tenantError('', 'made', cause);
  if (error === cause) return error;
  const message = error.message.replace('the tenant "" could not be made', `a spare ${layout.kind} could not be made`);
  return new MigrationError({ code: error.code, message, hint: error.hint ?? undefined, sqlState: error.sqlState ?? undefined, cause });
}
