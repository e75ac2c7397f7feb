/** The rules for tables with the rows of many tenants, and for their policies. Pure. */

import type { RowLevelSecurityDefinition } from '../service.ts';
import { identifier, qualified } from '../sql.ts';
import type { RowLevelSecurityCode, VerifyFinding } from './finding.ts';
import type { FunctionFacts, PolicyFacts, TableFacts, TenantFacts } from './tenant-facts.ts';

/** What is allowed by name, and which of those names were met. */
export class Exceptions {
  readonly #names: ReadonlySet<string>;
  readonly #met = new Set<string>();

  constructor(names: readonly string[]) {
    this.#names = new Set(names);
  }

  /** Whether the object is allowed, under any of its names. */
  has(schema: string, ...names: readonly string[]): boolean {
    const known = this.#known(schema, names);
    for (const name of known) this.#met.add(name);
    return known.length > 0;
  }

  /** As `has`, for who only asks: the name counts as one that nothing needs. */
  allows(schema: string, ...names: readonly string[]): boolean {
    return this.#known(schema, names).length > 0;
  }

  #known(schema: string, names: readonly string[]): readonly string[] {
    return names.flatMap((name) => [name, `${schema}.${name}`]).filter((name) => this.#names.has(name));
  }

  get unmet(): readonly string[] {
    return [...this.#names].filter((name) => !this.#met.has(name));
  }
}

export function finding(code: RowLevelSecurityCode, object: string, message: string, hint: string | null): VerifyFinding {
  return { code, severity: 'error', object, message, hint };
}

export function tableFindings(facts: TenantFacts, definition: RowLevelSecurityDefinition, exceptions: Exceptions): VerifyFinding[] {
  const reading = functionsReading(facts.functions, definition.setting);
  return facts.tables.flatMap((table) => (exceptions.has(table.schema, table.name) ? [] : ofTable(table, reading, definition, exceptions)));
}

function ofTable(
  table: TableFacts,
  reading: ReadonlyMap<string, string>,
  { column, setting, audit }: RowLevelSecurityDefinition,
  exceptions: Exceptions,
): VerifyFinding[] {
  const { enabled, forced, policies } = table;
  const object = `table ${shownName(table)}`;
  const sql = qualified(table.schema, table.name);
  const name = identifier(column);
  if (table.kind === 'foreign') {
    return [
      finding(
        'foreignTable',
        object,
        `${object} is a foreign table, which policies do not hold`,
        'put it into a schema that the application may not use, or allow it by name',
      ),
    ];
  }
  if (table.column === null) {
    const hint = `give it one: ALTER TABLE ${sql} ADD COLUMN ${name} … NOT NULL; or allow the table by name, if its rows are everybody's`;
    return [finding('noTenantColumn', object, `${object} has no column ${column}: nothing says whose its rows are`, hint)];
  }
  const found: VerifyFinding[] = [];
  const add = (code: RowLevelSecurityCode, message: string, hint: string): void => void found.push(finding(code, object, `${object} ${message}`, hint));
  if (!table.column.notNull)
    add('tenantColumnNullable', `may have rows of nobody: ${column} can be NULL`, `ALTER TABLE ${sql} ALTER COLUMN ${name} SET NOT NULL`);
  if (!table.column.led) {
    add(
      'noTenantIndex',
      `has no index that begins with ${column} and covers every row: each query reads all tenants' rows`,
      `CREATE INDEX CONCURRENTLY ON ${sql} (${name})`,
    );
  }
  const bare = !enabled && !forced && policies.length === 0;
  const enable = `ALTER TABLE ${sql} ENABLE ROW LEVEL SECURITY`;
  const force = `ALTER TABLE ${sql} FORCE ROW LEVEL SECURITY`;
  if (table.partition && bare) {
    add(
      'partitionUnprotected',
      'is a partition without row-level security: whoever asks it directly is not held by the policies of its parent',
      `${enable}; ${force}; and a policy as its parent has`,
    );
  } else {
    if (!enabled) add('rowSecurityDisabled', 'has row-level security disabled: it shows every row to everybody who may read it', enable);
    if (!forced) add('rowSecurityNotForced', 'does not force row-level security: its owner is not held by the policies', force);
    if (policies.every((one) => one.mode === 'restrictive' || !one.applies)) {
      add(
        'noPolicy',
        'has no permissive policy for the application: nobody but a bypassing role sees a row',
        `CREATE POLICY tenant_isolation ON ${sql} USING (…) WITH CHECK (…)`,
      );
    }
    for (const policy of policies) found.push(...ofPolicy(table, policy, reading, { column, setting }, exceptions));
  }
  if (audit !== undefined && !named(audit.logs, table)) {
    const covered = new Set(
      table.triggers.filter((one) => named(audit.functions, { schema: one.functionSchema, name: one.functionName })).flatMap((one) => one.events),
    );
    const open = (['INSERT', 'UPDATE', 'DELETE'] as const).filter((event) => !covered.has(event));
    if (open.length > 0) {
      const hint = `CREATE TRIGGER … AFTER ${open.join(' OR ')} ON ${sql} FOR EACH ROW EXECUTE FUNCTION ${audit.functions[0] ?? '…'}(…)`;
      add('notAudited', `has no audit trigger for each row's ${open.join(', ')}`, hint);
    }
  }
  return found;
}

function ofPolicy(
  table: TableFacts,
  policy: PolicyFacts,
  reading: ReadonlyMap<string, string>,
  { column, setting }: Pick<RowLevelSecurityDefinition, 'column' | 'setting'>,
  exceptions: Exceptions,
): VerifyFinding[] {
  // A restrictive one takes away only, and one that is for others shows the application nothing.
  if (policy.mode === 'restrictive' || !policy.applies) return [];
  if (exceptions.has(table.schema, `${table.name}.${policy.name}`)) return [];
  // Dependencies are a policy's as a whole: which of its two expressions has the column and the function, their text says.
  const compares = (text: string): boolean => policy.usesColumn && mentions(text, column);
  const sound = ({ functions }: PolicyFacts, text: string | null): boolean =>
    text !== null &&
    mentions(text, column) &&
    (readsSetting(text, setting) || functions.some((oid) => mentions(text, reading.get(oid) ?? '', String.raw`\s*\(`)));
  const guarded = table.policies.some(
    (one) =>
      one.mode === 'restrictive' &&
      one.applies &&
      (one.command === '*' || one.command === policy.command) &&
      (one.using ?? one.check) !== null &&
      [one.using, one.check].every((text) => text === null || sound(one, text)),
  );
  if (guarded) return [];
  const object = `policy ${shown(policy.name)} of table ${shownName(table)}`;
  const alter = `ALTER POLICY ${identifier(policy.name)} ON ${qualified(table.schema, table.name)}`;
  const one = (code: RowLevelSecurityCode, message: string, hint: string): VerifyFinding[] => [finding(code, object, `${object} ${message}`, hint)];
  const needsUsing = policy.command !== 'a';
  const needsCheck = policy.command === '*' || policy.command === 'a' || policy.command === 'w';
  if (needsUsing && policy.using === null) return one('policyWithoutUsing', 'has no USING: it does not say which rows are seen', `${alter} USING (…)`);
  if (needsCheck && policy.check === null)
    return one('policyWithoutCheck', 'has no WITH CHECK: it does not say which rows may be written', `${alter} WITH CHECK (…)`);
  const parts = [...(needsUsing ? [['USING', policy.using] as const] : []), ...(needsCheck ? [['WITH CHECK', policy.check] as const] : [])];
  const open = parts.filter(([, text]) => /^\(*true\)*$/i.test(text ?? '')).map(([part]) => part);
  if (open.length > 0)
    return one('policyOpen', `lets every row through by its ${open.join(' and ')}`, `${alter} ${open.map((part) => `${part} (…)`).join(' ')}`);
  const unsound = parts.filter(([, text]) => !sound(policy, text)).map(([part]) => part);
  if (unsound.length === 0) return [];
  const safe = `nullif(current_setting('${setting}', true), '')`;
  const comparing = parts.every(([, text]) => compares(text ?? ''));
  const where = unsound.join(' and ');
  const message = comparing
    ? `does not read ${safe} in its ${where}, directly or by a function: it does not hold a transaction to its tenant, or fails in a pooled connection, where the setting is empty and not NULL`
    : `does not compare ${column} in its ${where}: what it lets through is any tenant's`;
  return one('policyWithoutSetting', message, `compare ${column} with ${safe}, cast to its type; or allow it by name: ${table.name}.${policy.name}`);
}

/** As it was written, or as the server prints it. */
export function readsSetting(text: string, setting: string): boolean {
  const name = escaped(setting.replaceAll("'", "''"));
  return new RegExp(
    String.raw`nullif\s*\(\s*(?:pg_catalog\s*\.\s*)?current_setting\s*\(\s*'${name}'(?:::(?:pg_catalog\.)?text)?\s*,\s*true\s*\)\s*,\s*''(?:::(?:pg_catalog\.)?text)?\s*\)`,
    'i',
  ).test(text);
}

/** Functions that read the setting as it must be read, by themselves or through another such function: their names by their ids. */
function functionsReading(functions: readonly FunctionFacts[], setting: string): ReadonlyMap<string, string> {
  const bodies = functions.map((one) => ({ ...one, body: withoutComments(one.body) }));
  const reading = new Map(bodies.filter(({ body }) => readsSetting(body, setting)).map(({ oid, name }) => [oid, name]));
  for (let before = -1; before < reading.size;) {
    before = reading.size;
    const names = [...new Set(reading.values())];
    for (const { oid, name, body } of bodies) {
      if (!reading.has(oid) && names.some((one) => mentions(body, one, String.raw`\s*\(`))) reading.set(oid, name);
    }
  }
  return reading;
}

export function withoutComments(body: string): string {
  // What looks like a comment in a literal is none: the rest of its line is code.
  return body.replaceAll(/('(?:[^']|'')*')|--[^\n]*|\/\*[^]*?\*\//g, (_, literal: string | undefined) => literal ?? ' ');
}

/** Whether the name stands in the text as a word of its own. @param after What must follow it, as a pattern. */
export function mentions(text: string, name: string, after = ''): boolean {
  return name !== '' && new RegExp(`${word(name)}${after}`, 'i').test(text);
}

/** As `mentions`, and where a schema stands before the name, it is the object's. */
export function mentionsObject(text: string, { schema, name }: { readonly schema: string; readonly name: string }, after = ''): boolean {
  // Two dots are a range: `1..total()`.
  const before = String.raw`(?:(?<!(?<!\.)\.\s*)|(?<=${word(schema)}\s*\.\s*))`;
  return name !== '' && new RegExp(`${before}${word(name)}${after}`, 'i').test(text);
}

function word(name: string): string {
  const quoted = escaped(`"${name.replaceAll('"', '""')}"`);
  const plain = /^[a-z_][a-z0-9_$]*$/.test(name) ? String.raw`|(?<![\w$"])${escaped(name)}(?![\w$"])` : '';
  return `(?:${quoted}${plain})`;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

/** Whether a list of names, with or without schema, has the object. */
export function named(names: readonly string[], { schema, name }: { readonly schema: string; readonly name: string }): boolean {
  return names.includes(name) || names.includes(`${schema}.${name}`);
}

/** As the catalogue's differences write it. */
export function shown(name: string): string {
  return /^[a-z_][a-z0-9_$]*$/.test(name) ? name : identifier(name);
}

export function shownName({ schema, name }: { readonly schema: string; readonly name: string }): string {
  return schema === 'public' ? shown(name) : `${shown(schema)}.${shown(name)}`;
}
