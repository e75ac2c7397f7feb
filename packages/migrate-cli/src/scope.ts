/** Which of a service's two sources a command is about: what its tenants share, or what each of them has. Pure. */

import { MigrationError } from '@org/migrate-core';

import type { OptionName, Options } from './options.ts';
import type { Selection } from './selection.ts';
import type { Service } from './service.ts';

export type Scope =
  /** The tenants that a query on the command line returns. */
  | { readonly kind: 'query' }
  | {
      readonly kind: 'services';
      /** Whose own database is meant, in the order of migrating them. */
      readonly shared: readonly Service[];
      /** Whose tenants are meant. */
      readonly tenants: readonly Service[];
    };

/** `both`: what is pending is pending everywhere. `refuse`: what undoes or repairs has to be told where. `shared`: of one database. */
export type Unsaid = 'both' | 'refuse' | 'shared';

type Words = Options & { readonly [Name in OptionName]?: unknown };

const ABOUT_TENANTS: readonly (readonly [OptionName, string])[] = [
  ['tenant', '--tenant'],
  ['concurrency', '--concurrency'],
  ['canary', '--canary'],
  ['maxFailures', '--max-failures'],
];

/** @param unsaid What no `--source` means for a service with tenants. Throws `invalidOptions` for flags that make no sense together. */
export function scopeOf(options: Options, { services }: Selection, unsaid: Unsaid): Scope {
  const { tenantSchemas, tenantDatabases, tenant, source } = options;
  const about = ABOUT_TENANTS.find(([name]) => (options as Words)[name] !== undefined)?.[1];
  const query = tenantSchemas !== undefined ? '--tenant-schemas' : tenantDatabases !== undefined ? '--tenant-databases' : undefined;
  if (source === 'shared' && (query ?? about) !== undefined)
    throw invalid(`${query ?? about} is about tenants, and --source shared is what they have together: leave one of them out.`);
  if (query !== undefined) return { kind: 'query' };
  const tenanted = services.filter((one) => one.tenants !== null);
  if (tenanted.length === 0) {
    const flag = about ?? (source === 'tenant' ? '--source tenant' : undefined);
    if (flag !== undefined)
      throw invalid(
        `${flag} is about tenants, and nothing says where they are.`,
        `add --tenant-schemas "SELECT schema_name FROM tenants", or --tenant-databases${options.dir === undefined ? '; or say in migrate.config.ts how the service keeps them: tenancy' : ''}`,
      );
    return { kind: 'services', shared: services, tenants: [] };
  }
  const meant = source ?? (tenant === undefined ? undefined : 'tenant');
  if (meant === 'tenant') return { kind: 'services', shared: [], tenants: tenanted };
  if (meant === 'shared') return { kind: 'services', shared: services, tenants: [] };
  if (unsaid === 'refuse') throw unnamed(tenanted);
  return { kind: 'services', shared: services, tenants: unsaid === 'both' ? tenanted : [] };
}

/** A version is of one service. Throws `invalidOptions` where several are meant. @param flag `--to 7`. */
export function refuseSeveral(scope: Scope, { services }: Pick<Selection, 'services'>, flag: string): void {
  const meant = scope.kind === 'query' ? services : [...new Set([...scope.shared, ...scope.tenants])];
  if (meant.length > 1) throw invalid(`${flag} is a version of one service: add --service to say which.`);
}

/** A version, or a number of steps, of which source? Throws `invalidOptions` where both are meant. @param flag `--to 7`. */
export function refuseTwoSources(scope: Scope, flag: string): void {
  if (scope.kind === 'services' && scope.shared.length > 0 && scope.tenants.length > 0)
    throw invalid(
      `${flag} is of one source, and ${scope.tenants.map((one) => one.name).join(', ')} has two: what its tenants share, and what each of them has.`,
      'say which with --source shared or --source tenant',
    );
}

/** The one service whose tenants are meant. Throws `invalidOptions` when there are several. @param what A clause: `undo`. */
export function onlyTenants({ tenants }: Extract<Scope, { kind: 'services' }>, what: string): Service {
  const [service] = tenants;
  if (service !== undefined && tenants.length === 1) return service;
  throw invalid(
    `Several services have tenants (${tenants.map((one) => one.name).join(', ')}), and to ${what} in them is for one service: add --service to say which.`,
  );
}

function unnamed(tenanted: readonly Service[]): MigrationError {
  const names = tenanted.map((one) => one.name);
  const many = names.length > 1;
  return invalid(
    `${names.join(', ')} ${many ? 'have' : 'has'} migrations that the tenants share, and migrations of each tenant: say which are meant. Nothing was done.`,
    `add --source shared, or --source tenant${many ? ' and --service' : ''} (--tenant ID for one of them)`,
  );
}

function invalid(message: string, hint?: string): MigrationError {
  return new MigrationError({ code: 'invalidOptions', message, hint });
}

/** How a run goes about tenants, as far as it was said. */
export function limitsOf({ concurrency, canary, maxFailures }: Options): Pick<Partial<Options>, 'concurrency' | 'canary' | 'maxFailures'> {
  return {
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(canary === undefined ? {} : { canary }),
    ...(maxFailures === undefined ? {} : { maxFailures }),
  };
}
