/** Configuration files are somebody's code: what they export is looked at whole, and every problem is told at once. Pure. */

import { resolve } from 'node:path';

import { MOST_SPARES, MigrationError, type RowLevelSecurityDefinition, type ServiceDefinition, type TenancyDefinition } from '@org/migrate-core';

import { nearestWord } from './nearest-word.ts';
import type { WorkspaceDefinition } from './workspace.ts';

type Check = (value: unknown) => string | null;

const text: Check = (value) => (typeof value === 'string' && value !== '' ? null : 'must be a text that is not empty');
const choice =
  (...allowed: readonly string[]): Check =>
  (value) =>
    typeof value === 'string' && allowed.includes(value) ? null : `must be one of: ${allowed.join(', ')}`;
const source: Check = (value) =>
  text(value) === null || (typeof value === 'object' && value !== null && 'list' in value && 'compile' in value)
    ? null
    : 'must be a folder, or a migration source';
/** Goes into variables (`PATIENT_DATABASE_URL`), table names and `--service a,b`. */
const serviceName: Check = (value) =>
  typeof value === 'string' && /^[a-z\d][\w.-]*$/i.test(value)
    ? null
    : 'must be a name of letters, digits, "_", "-" and "." that begins with a letter or digit';

interface Field {
  readonly check: Check;
  readonly need: 'required' | 'optional';
}

const texts: Check = (value) => (Array.isArray(value) && value.every((one) => text(one) === null) ? null : 'must be a list of names');
const count =
  (most: number): Check =>
  (value) =>
    Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most ? null : `must be a whole number from 0 to ${most}`;
const call: Check = (value) => (typeof value === 'function' ? null : 'must be a function');

const TENANCY: { readonly [Key in keyof Required<TenancyDefinition>]: Field } = {
  mode: { check: choice('schema', 'database'), need: 'required' },
  migrations: { check: source, need: 'required' },
  place: { check: call, need: 'optional' },
  requiredTables: { check: texts, need: 'optional' },
  extensions: { check: texts, need: 'optional' },
  extensionsSchema: { check: text, need: 'optional' },
  spares: { check: count(MOST_SPARES), need: 'optional' },
  query: { check: text, need: 'optional' },
};

const ROW_LEVEL_SECURITY: { readonly [Key in keyof Required<RowLevelSecurityDefinition>]: Field } = {
  column: { check: text, need: 'required' },
  setting: { check: text, need: 'required' },
  allow: { check: texts, need: 'optional' },
  audit: {
    check: (value) => problemsOf(value, { functions: { check: texts, need: 'required' }, logs: { check: texts, need: 'required' } }).join(', ') || null,
    need: 'optional',
  },
};

const SERVICE: { readonly [Key in keyof Required<ServiceDefinition>]: Field } = {
  name: { check: serviceName, need: 'required' },
  migrations: { check: source, need: 'required' },
  database: { check: text, need: 'required' },
  history: {
    check: (value) => problemsOf(value, { table: { check: text, need: 'optional' }, schema: { check: text, need: 'optional' } }).join(', ') || null,
    need: 'optional',
  },
  schema: { check: text, need: 'optional' },
  order: { check: choice('strict', 'allow'), need: 'optional' },
  applicationRole: { check: text, need: 'optional' },
  tenancy: { check: (value) => problemsOf(value, TENANCY).join(', ') || null, need: 'optional' },
  rowLevelSecurity: { check: (value) => problemsOf(value, ROW_LEVEL_SECURITY).join(', ') || null, need: 'optional' },
};

const WORKSPACE: { readonly [Key in keyof Required<WorkspaceDefinition>]: Field } = {
  services: {
    check: (value) => (Array.isArray(value) && value.every((one) => text(one) === null) ? null : 'must be a list of folders, such as ["services/*"]'),
    need: 'required',
  },
  localDatabase: { check: call, need: 'optional' },
};

/** Throws `invalidOptions` naming the file and everything that is wrong in it. */
export function checkService(value: unknown, file: string): ServiceDefinition {
  const definition = checkFile<ServiceDefinition>(value, SERVICE, file, 'defineService({ name, migrations, database })');
  refuseSameFolder(definition, file);
  return definition;
}

/** What is applied once must not be applied in every tenant as well. */
function refuseSameFolder({ migrations, tenancy }: ServiceDefinition, file: string): void {
  if (tenancy === undefined) return;
  const folder = (source: typeof migrations): unknown => (typeof source === 'string' ? resolve('/', source) : source);
  if (folder(migrations) !== folder(tenancy.migrations)) return;
  throw new MigrationError({
    code: 'invalidOptions',
    message: `${file}: "migrations" and "tenancy.migrations" are the same folder${typeof migrations === 'string' ? ` (${migrations})` : ''}.`,
    hint: 'what the tenants share is in "migrations", applied once; what each of them has is in a folder of its own, such as ./tenant-migrations',
  });
}

export function checkWorkspace(value: unknown, file: string): WorkspaceDefinition {
  return checkFile<WorkspaceDefinition>(value, WORKSPACE, file, '{ services: ["services/*"], localDatabase }');
}

function checkFile<T>(value: unknown, fields: Readonly<Record<string, Field>>, file: string, form: string): T {
  if (typeof value !== 'object' || value === null) {
    throw new MigrationError({ code: 'invalidOptions', message: `${file} has no default export that is a configuration.`, hint: `export default ${form}` });
  }
  const problems = problemsOf(value, fields);
  if (problems.length > 0) throw new MigrationError({ code: 'invalidOptions', message: `${file}: ${problems.join('; ')}.` });
  return value as T;
}

function problemsOf(value: unknown, fields: Readonly<Record<string, Field>>): string[] {
  if (typeof value !== 'object' || value === null) return ['must be an object'];
  const given = value as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given)
    .filter((key) => !Object.hasOwn(fields, key))
    .map((key) => {
      const near = nearestWord(key.toLowerCase(), Object.keys(fields)) ?? nearestWord(key, Object.keys(fields));
      return `unknown key "${key}"${near === null ? '' : `: did you mean "${near}"?`} (known: ${Object.keys(fields).join(', ')})`;
    });
  const wrong = Object.entries(fields).flatMap(([key, { check, need }]) => {
    if (given[key] === undefined) return need === 'required' ? [`"${key}" is left out`] : [];
    const problem = check(given[key]);
    return problem === null ? [] : [`"${key}" ${problem}`];
  });
  return [...unknown, ...wrong];
}
