/** Who did what to which tenant, and when. Reads only. */

import type { LogEntry } from '@org/migrate-core';

import { exit, type ExitCode } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { renderTenantsLog, type TenantLogEntry } from '../render/log.ts';
import type { Scope } from '../scope.ts';
import type { Selection } from '../selection.ts';
import { withTenants } from './command.ts';
import { ServicesDocument, targetName } from './document.ts';
import { renderFailures } from './failures.ts';
import { styleOf } from './status.ts';

const LIMIT = 50;

/** The newest over all of them, however many these are. */
export function logOfTenants(invocation: Invocation, selection: Selection, scope: Scope): Promise<ExitCode> {
  const { options, output, cwd } = invocation;
  return withTenants(invocation, selection, scope, 'look', async (tenants) => {
    const { limit = LIMIT } = options;
    const { service, origin } = tenants;
    const connection = await service.connection();
    // Who cannot be reached is told; the others are still worth seeing.
    const { failures } = await tenants.fleet().status({ concurrency: options.concurrency });
    const unreadable = new Set(failures.map((one) => one.tenant));
    const readable = tenants.targets.filter((one) => !unreadable.has(one.tenant));
    let newest: TenantLogEntry[] = [];
    await tenants.each(readable, async (migrator, { tenant }) => {
      const entries = await migrator.log(limit);
      // Never more than are shown, and those that come: thousands of logs are not kept.
      newest = [...newest, ...entries.map((entry): TenantLogEntry => ({ ...entry, tenant }))].toSorted(byTime).slice(0, limit);
    });
    if (options.json === true) {
      const document = new ServicesDocument(output);
      document.begin(service.name);
      for (const { tenant, schema = null, database = null } of readable) {
        const entries = newest.filter((one) => one.tenant === tenant).map(({ tenant: _, ...entry }) => entry);
        if (entries.length > 0) document.add({ target: targetName({ schema, database }, connection.settings.database), tenant, entries });
      }
      document.close();
      document.end();
    } else output.line(renderTenantsLog(origin.label, connection, newest, output.colours));
    for (const line of renderFailures(failures, styleOf(invocation, tenants, cwd))) output.log(line);
    return failures.length === 0 ? exit.done : failures.length < tenants.targets.length ? exit.someTenantsFailed : exit.failed;
  });
}

/** The newest first; of one moment, what was done last. */
function byTime(a: LogEntry, b: LogEntry): number {
  return a.at === b.at ? b.seq - a.seq : a.at < b.at ? 1 : -1;
}
