/** Finding what the command is about: a workspace with its services, or one service. Reads configuration files by path. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';

import { MigrationError, type ServiceDefinition } from '@org/migrate-core';

/** What a `migrate.workspace.ts` exports by default. */
export interface WorkspaceDefinition {
  /** Folders that hold a `migrate.config.ts`, from the workspace's root; the last part may be `*`. */
  readonly services: readonly string[];
  /** A server for those whom nothing names one, with these databases made where missing. */
  readonly localDatabase?: (requests: readonly LocalDatabaseRequest[]) => Promise<LocalServer>;
}

export interface LocalDatabaseRequest {
  readonly service: string;
  readonly database: string;
  readonly applicationRole?: string;
}

export interface LocalServer {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/** A service as its configuration file has it. */
export interface ServiceConfig {
  readonly definition: ServiceDefinition;
  readonly folder: string;
  /** The package's own name, and those it depends on in any way. */
  readonly packageName: string | null;
  readonly dependencies: readonly string[];
}

export interface Workspace {
  readonly root: string;
  /** Loaded when asked for: inside one service whose connection is named, nothing of the workspace is needed. */
  definition(): Promise<WorkspaceDefinition>;
  services(): Promise<readonly ServiceConfig[]>;
}

const EXTENSIONS = ['ts', 'mts', 'js', 'mjs'];

/** The workspace of the nearest ancestor that has one; `null` outside any. */
export function findWorkspace(cwd: string): Workspace | null {
  const file = findUpwards(cwd, 'migrate.workspace', null);
  if (file === null) return null;
  const root = dirname(file);
  let definition: Promise<WorkspaceDefinition> | null = null;
  let services: Promise<readonly ServiceConfig[]> | null = null;
  const load = (): Promise<WorkspaceDefinition> => (definition ??= loadWorkspace(file));
  return {
    root,
    definition: load,
    services: () => (services ??= load().then((loaded) => loadServices(root, file, loaded))),
  };
}

/** The configuration of the nearest folder at or above `cwd`, but not above the workspace's root. */
export function findServiceFile(cwd: string, workspace: Workspace | null): string | null {
  return findUpwards(cwd, 'migrate.config', workspace?.root ?? null);
}

function findUpwards(from: string, name: string, last: string | null): string | null {
  for (let folder = resolve(from); ; folder = dirname(folder)) {
    const file = configFile(folder, name);
    if (file !== null) return file;
    if (folder === last || folder === dirname(folder)) return null;
  }
}

function configFile(folder: string, name: string): string | null {
  return EXTENSIONS.map((extension) => join(folder, `${name}.${extension}`)).find((file) => existsSync(file)) ?? null;
}

async function loadWorkspace(file: string): Promise<WorkspaceDefinition> {
  const [value, { checkWorkspace }] = await Promise.all([loadDefault(file), import('./definition.ts')]);
  return checkWorkspace(value, file);
}

export async function loadService(file: string): Promise<ServiceConfig> {
  const folder = dirname(file);
  const [value, { checkService }] = await Promise.all([loadDefault(file), import('./definition.ts')]);
  const definition = checkService(value, file);
  return { definition, folder, ...readPackage(folder) };
}

async function loadServices(root: string, file: string, definition: WorkspaceDefinition): Promise<readonly ServiceConfig[]> {
  const files = definition.services.flatMap((pattern) => expand(root, pattern, file)).map((folder) => configFile(folder, 'migrate.config'));
  const services = await Promise.all([...new Set(files.filter((one) => one !== null))].map(loadService));
  const byName = new Map<string, ServiceConfig>();
  for (const service of services) {
    const other = byName.get(service.definition.name);
    if (other !== undefined) {
      throw new MigrationError({
        code: 'invalidOptions',
        message: `Two services are called "${service.definition.name}": ${relative(root, other.folder)} and ${relative(root, service.folder)}.`,
      });
    }
    byName.set(service.definition.name, service);
  }
  return services;
}

function expand(root: string, pattern: string, file: string): string[] {
  const parts = pattern.split('/').filter((part) => part !== '' && part !== '.');
  const last = parts.at(-1);
  if (parts.slice(0, -1).some((part) => part.includes('*')) || (last?.includes('*') === true && last !== '*')) {
    throw new MigrationError({ code: 'invalidOptions', message: `${file}: "${pattern}" cannot be read; a folder of services is written like services/*.` });
  }
  if (last !== '*') return [join(root, ...parts)];
  const parent = join(root, ...parts.slice(0, -1));
  if (!existsSync(parent)) return [];
  return readdirSync(parent)
    .toSorted()
    .map((name) => join(parent, name))
    .filter((folder) => statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true);
}

async function loadDefault(file: string): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
    return module.default;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new MigrationError({ code: 'invalidOptions', message: `${shown(file)} cannot be loaded: ${message}`, cause: error });
  }
}

function readPackage(folder: string): Pick<ServiceConfig, 'packageName' | 'dependencies'> {
  let text: string;
  try {
    text = readFileSync(join(folder, 'package.json'), 'utf8');
  } catch {
    return { packageName: null, dependencies: [] };
  }
  try {
    const manifest = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const groups = ['dependencies', 'devDependencies', 'peerDependencies', 'optionalDependencies'];
    return {
      packageName: typeof manifest['name'] === 'string' ? manifest['name'] : null,
      dependencies: groups.flatMap((group) => Object.keys((manifest[group] as object | undefined) ?? {})),
    };
  } catch (error) {
    throw new MigrationError({
      code: 'invalidOptions',
      message: `${shown(join(folder, 'package.json'))} cannot be read: ${(error as Error).message}`,
      cause: error,
    });
  }
}

/** A path as people at `cwd` would type it. */
export function shown(path: string, cwd: string = process.cwd()): string {
  const short = relative(cwd, path);
  if (short === '') return '.';
  return short.startsWith(`..${sep}..`) || short.startsWith('/') ? path : short;
}
