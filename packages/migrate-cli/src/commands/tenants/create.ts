import { inQuotes } from '@org/migrate-core';
import type { MigrationError, Tenant, TenantCreation } from '@org/migrate-core';

import type { CommandModule } from '../../commands.ts';
import { toMigrationError } from '../../connect-error.ts';
import { exitCodeOfSeveral } from '../../exit.ts';
import { findKeeper, type Keeper } from '../../fleet/keeper.ts';
import { tellError } from '../../fleet/run.ts';
import { prepareSpares } from '../../fleet/spares.ts';
import type { Invocation } from '../../invocation.ts';
import { outputOptions, placeOptions } from '../../options.ts';
import { failedKeys, tenantDocument } from '../../render/tenants.ts';
import { duration, heading, plural, printable } from '../../render/text.ts';
import { shown } from '../../workspace.ts';

export const command: CommandModule = {
  argument: { name: 'id', description: 'of each new tenant', need: 'required', count: 'several' },
  help: 'Gives each a schema or a database of its own, migrated and with all required tables. One that is there already is left as it is; one whose making was cut off, or failed, is gone on with. Its first rows are the service’s to put in.',
  options: [...placeOptions, 'lockTimeout', 'lockWait', ...outputOptions],
  examples: [
    ['migrate tenants create clinic_a', 'inside a service’s folder, or at the root where one service has tenants'],
    ['migrate tenants create clinic_a clinic_b --service appointment', 'two of them'],
  ],
  async run(invocation) {
    const { options, output, words, signal } = invocation;
    const keeper = await findKeeper(invocation);
    const { service, connection } = keeper;
    const ids = [...new Set(words)];
    if (options.json !== true) output.line(heading(`${service.name} tenants`, connection, output.colours));
    const made: Made[] = [];
    for (const id of ids) {
      const one = signal.aborted ? notBegun(id) : await make(invocation, keeper, id);
      made.push(one);
      tell(invocation, one);
    }
    if (options.json === true) output.document(tenantDocument(service.name, made.map(documented)));
    if (signal.aborted || (ids.length > 1 && options.json !== true)) output.line(`  ${summary(made)}`);
    if (made.some(({ outcome }) => outcome === 'interrupted' || outcome === 'notRun'))
      output.line(`  ${output.colours.yellow('!')} It was told to stop; what is not done is done by the same command, which goes on where it stopped.`);
    if (made.some(({ outcome }) => outcome === 'created')) await prepareSpares(invocation, keeper.tenancy);
    return exitCodeOfSeveral(
      made.map(({ error }) => error),
      invocation.stoppedBy(),
    );
  },
};

interface Made {
  readonly id: string;
  /** As it is registered; `null` where it failed, or was not begun. */
  readonly tenant: Tenant | null;
  readonly outcome: TenantCreation['outcome'] | 'failed' | 'interrupted' | 'notRun';
  readonly by: TenantCreation['by'];
  readonly durationMs: number;
  /** `null` unless it failed. */
  readonly error: MigrationError | null;
}

function notBegun(id: string): Made {
  return { id, tenant: null, outcome: 'notRun', by: null, durationMs: 0, error: null };
}

async function make({ signal, cwd }: Invocation, keeper: Keeper, id: string): Promise<Made> {
  const began = performance.now();
  try {
    return { id, ...(await keeper.tenancy.create(id)), error: null };
  } catch (thrown) {
    const error = toMigrationError(thrown);
    if (signal.aborted && STOPPED.has(error.code))
      return { ...notBegun(id), ...halfWay(await keeper.tenancy.find(id).catch(() => null)), durationMs: performance.now() - began };
    const hint = (signal.aborted ? null : await betterHint(keeper, id, error, cwd)) ?? error.hint;
    return { ...notBegun(id), outcome: 'failed', error: Object.assign(error, { hint }) };
  }
}

/** What a call that was stopped has come to, as far as it is registered. */
function halfWay(tenant: Tenant | null): Partial<Made> {
  if (tenant === null || tenant.status === 'archived') return {};
  return { tenant, outcome: tenant.status === 'active' ? 'present' : 'interrupted' };
}

/** How making a tenant ends once somebody has said stop: nothing is wrong with it. */
const STOPPED: ReadonlySet<MigrationError['code']> = new Set(['aborted', 'connection']);

/** What the library cannot know: how it is typed, and what would have come first. */
async function betterHint({ service, tenancy }: Keeper, id: string, { code, hint, position }: MigrationError, cwd: string): Promise<string | null> {
  if (code === 'invalidOptions') {
    const archived = (await tenancy.find(id).catch(() => null))?.status === 'archived';
    return archived
      ? `bring it back with: migrate tenants restore ${inQuotes(id)}. Or delete what is kept, with: migrate tenants drop ${inQuotes(id)} --delete; then create it`
      : null;
  }
  if (code !== 'migrationFailed') return null;
  const shared = await service
    .migrator()
    .status()
    .catch(() => null);
  if (shared === null || shared.pending.length === 0) {
    // An up makes no tenant.
    if (hint !== null || position?.file == null) return null;
    return `correct ${shown(position.file, cwd)}, then create it again, which goes on: migrate tenants create ${inQuotes(id)} --service ${service.name}`;
  }
  return `what the tenants of ${service.name} share is not there yet: migrate up --service ${service.name} --source shared. Then create it again, which goes on`;
}

function tell(invocation: Invocation, { id, tenant, outcome, by, durationMs, error }: Made): void {
  const { output } = invocation;
  const { colours } = output;
  if (error !== null) return tellError(invocation, error);
  if (outcome === 'interrupted') return output.log(`${colours.red('✗')} ${colours.bold(printable(id))}: stopped half way`);
  if (tenant === null) return;
  const where = tenant.place === id ? '' : ` as ${printable(tenant.place)}`;
  if (outcome === 'present') output.line(`  ${colours.dim('-')} ${printable(id)}  is there already${where}`);
  else
    output.line(
      `  ${colours.green('✓')} ${printable(id)}  made${where}${by === null ? '' : by === 'template' ? ' from the template' : ' by its migrations'}  ${colours.dim(duration(durationMs))}`,
    );
}

function summary(made: readonly Made[]): string {
  const count = (...outcomes: readonly Made['outcome'][]): number => made.filter(({ outcome }) => outcomes.includes(outcome)).length;
  const [interrupted, notRun] = [count('interrupted'), count('notRun')];
  const parts = [
    `${count('created', 'present')} there`,
    `${count('failed')} failed`,
    ...(interrupted > 0 ? [`${interrupted} stopped half way`] : []),
    ...(notRun > 0 ? [`${notRun} not begun`] : []),
  ];
  return `${plural(made.length, 'tenant')}: ${parts.join(', ')}`;
}

function documented({ id, tenant, outcome, by, durationMs, error }: Made): object {
  return { id, place: tenant?.place ?? null, status: tenant?.status ?? null, outcome, by, durationMs: Math.round(durationMs), ...failedKeys(error) };
}
