/** Which services a command is about, in the order of migrating them. */

import { dirname, resolve } from 'node:path';

import { connectionTo, MigrationError, type Environment, type ServiceDefinition } from '@org/migrate-core';

import { readEnvironment, showToConfigurations } from './environment.ts';
import type { Invocation } from './invocation.ts';
import type { OptionName, Options } from './options.ts';
import { orderOf, type OrderedService } from './service-order.ts';
import { folderDefinition, localRequest, Service } from './service.ts';
import { findServiceFile, findWorkspace, loadService, shown, type LocalServer, type ServiceConfig, type Workspace } from './workspace.ts';

export interface Selection {
  /** What is needed first comes first. Never empty. */
  readonly services: readonly Service[];
  /** Another service of the workspace, selected or not; `null` where none is known by that name. */
  find(name: string): Promise<Service | null>;
  /** All others of the workspace; none outside one. */
  others(service: Service): Promise<readonly Service[]>;
  /** Why the selected services cannot be brought in an order. Reading does without one; what runs is refused. */
  readonly problems: readonly string[];
  /** Whether the services' own connections are used, and not one that was typed. */
  readonly flagged: boolean;
}

/** Throws `invalidOptions` when nothing says which migrations are meant. */
export async function selectServices(invocation: Invocation): Promise<Selection> {
  const { options, cwd } = invocation;
  if (options.dir !== undefined) return selectFolder(invocation, options.dir);
  const workspace = findWorkspace(cwd);
  const file = findServiceFile(cwd, workspace);
  const folders = [...(file === null ? [] : [dirname(file)]), cwd, ...(workspace === null ? [] : [workspace.root])];
  showToConfigurations(variablesOf(invocation, folders));
  if (file !== null && options.service === undefined) return selectOne(invocation, await loadService(file), workspace);
  if (workspace === null) {
    if (file !== null) return selectNamed(invocation, [await loadService(file)], null);
    throw new MigrationError({
      code: 'invalidOptions',
      message: `Nothing says which migrations are meant: ${cwd} has no migrate.config.ts, and neither it nor a folder above has a migrate.workspace.ts.`,
      hint: 'run it in the folder of a service, or add: --dir ./migrations --url postgres://user:password@host:5432/database',
    });
  }
  return selectNamed(invocation, await workspace.services(), workspace);
}

function selectFolder(invocation: Invocation, typed: string): Selection {
  const { options, cwd } = invocation;
  if (options.service !== undefined)
    throw new MigrationError({ code: 'invalidOptions', message: '--dir names a folder and --service a service: give one of them.' });
  if (typed.includes('://'))
    throw new MigrationError({ code: 'invalidOptions', message: '--dir names a folder, and this is a URL.', hint: 'a database is named with --url' });
  const folder = resolve(cwd, typed);
  const service = build(invocation, { definition: folderDefinition(folder, typed), folder: cwd, packageName: null, dependencies: [] }, null, null, 'byPlace');
  const empty: ServiceDefinition = {
    name: '',
    migrations: { label: '', list: async () => ({ migrations: [], ignored: [], problems: [] }), compile: async () => [] },
    database: 'postgres',
  };
  return {
    services: [service],
    problems: [],
    find: async (name) => build(invocation, { definition: { ...empty, name }, folder: cwd, packageName: null, dependencies: [] }, null, null, 'byPlace', name),
    others: async () => [],
    flagged: true,
  };
}

function selectOne(invocation: Invocation, config: ServiceConfig, workspace: Workspace | null): Selection {
  const local = localServer(workspace);
  const service = build(invocation, config, workspace, local, 'byPlace');
  return inWorkspace(invocation, [service], workspace, local);
}

async function selectNamed(invocation: Invocation, configs: readonly ServiceConfig[], workspace: Workspace | null): Promise<Selection> {
  const wanted = invocation.options.service;
  const names = configs.map((one) => one.definition.name);
  const unknown = wanted?.filter((name) => !names.includes(name)) ?? [];
  if (unknown.length > 0) {
    throw new MigrationError({
      code: 'invalidOptions',
      message: `There is no service called ${unknown.map((one) => `"${one}"`).join(' or ')} here.`,
      hint: `the services are: ${names.join(', ')}`,
    });
  }
  if (configs.length === 0) {
    throw new MigrationError({
      code: 'invalidOptions',
      message: `The workspace ${workspace?.root ?? ''} has no service: no folder that it names holds a migrate.config.ts.`,
    });
  }
  const local = localServer(workspace);
  const all = configs.map((config) => build(invocation, config, workspace, local, workspace === null ? 'byPlace' : 'byName'));
  const order = await orderOf(all.map(inOrder));
  const services = order.services.flatMap((name) => all.filter((one) => one.name === name && (wanted === undefined || wanted.includes(name))));
  const about = new Set(services.map((one) => one.name));
  const problems = order.problems.filter(({ migration }) => migration === null || about.has(migration.service)).map((one) => one.message);
  return { ...inWorkspace(invocation, services, workspace, local), problems };
}

/** What its place in the order depends on. */
export function inOrder({ name, source, tenants, input }: Service): OrderedService {
  return { name, source, tenantSource: tenants?.source ?? null, packageName: input.packageName, dependencies: input.dependencies };
}

/** Throws `invalidOptions` when several are selected. @param what The beginning of a sentence: `A repair is of`. */
export function onlyService({ services }: Selection, what: string): Service {
  const [service] = services;
  if (service !== undefined && services.length === 1) return service;
  throw new MigrationError({ code: 'invalidOptions', message: `${what} one service: add --service to say which.` });
}

/** Throws `invalidOptions`, with everything that stands in the way of an order. */
export function refuseDisorder({ problems }: Selection): void {
  if (problems.length > 0) throw new MigrationError({ code: 'invalidOptions', message: problems.join('\n') });
}

function inWorkspace(invocation: Invocation, services: readonly Service[], workspace: Workspace | null, local: LocalOf | null): Selection {
  const { url, host, port, user, password, database } = invocation.options;
  const flagged = [url, host, port, user, password, database].some((one) => one !== undefined);
  let others: Promise<readonly Service[]> | null = null;
  // Those that were not selected are where their own configuration says, whatever was typed for these.
  const rest = (): Promise<readonly Service[]> =>
    (others ??= (workspace?.services() ?? Promise.resolve([])).then((configs) =>
      configs
        .filter(({ definition }) => services.every((one) => one.name !== definition.name))
        .map((config) => build({ ...invocation, options: withoutFlags(invocation) }, config, workspace, local, 'byName')),
    ));
  return {
    services,
    problems: [],
    flagged,
    find: async (name) => services.find((one) => one.name === name) ?? (await rest()).find((one) => one.name === name) ?? null,
    others: async (service) => [...services, ...(await rest())].filter((one) => one !== service),
  };
}

const TYPED_FOR_THESE: readonly OptionName[] = ['url', 'host', 'port', 'user', 'password', 'database', 'table', 'schema'];

function withoutFlags({ options }: Invocation): Options {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !TYPED_FOR_THESE.includes(name as OptionName)));
}

function build(
  invocation: Invocation,
  config: ServiceConfig,
  workspace: Workspace | null,
  local: LocalOf | null,
  meant: 'byPlace' | 'byName',
  variables?: string,
): Service {
  const { options, cwd, signal, output } = invocation;
  const { url, host, port, user, password, database } = options;
  const folders = [config.folder, cwd, ...(workspace === null ? [] : [workspace.root])];
  return new Service({
    definition: config.definition,
    variables: variables ?? (options.dir === undefined ? config.definition.name : null),
    folder: config.folder,
    packageName: config.packageName,
    meant,
    dependencies: config.dependencies,
    environment: variablesOf(invocation, folders),
    flags: { url, host, port, user, password, database },
    history: { table: options.table },
    schema: options.schema,
    connect: { waitMs: options.wait ?? 0, signal, onWait: (message) => output.log(`${message} Waiting for it …`) },
    local,
  });
}

function variablesOf({ environment, options, cwd }: Invocation, folders: readonly string[]): Environment {
  return readEnvironment(environment, folders, options.envFile === undefined ? null : resolve(cwd, options.envFile));
}

type LocalOf = NonNullable<Service['input']['local']>;

/** The workspace's own server, asked once for each database. */
function localServer(workspace: Workspace | null): LocalOf | null {
  if (workspace === null) return null;
  const known = new Map<string, Promise<LocalServer>>();
  return async (service) => {
    const definition = await workspace.definition();
    if (definition.localDatabase === undefined) {
      throw new MigrationError({
        code: 'invalidOptions',
        message: `Nothing names a database for ${service.name}, and ${shown(workspace.root)} has no PostgreSQL of its own (localDatabase in migrate.workspace.ts).`,
      });
    }
    const request = localRequest(service);
    let server = known.get(request.database);
    if (server === undefined) {
      server = definition.localDatabase([request]);
      known.set(request.database, server);
    }
    return connectionTo('the local PostgreSQL', await server, request.database);
  };
}
