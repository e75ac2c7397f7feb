/** Row-level security, verified and not assumed: what the catalogue says, and what two tenants can do. */

import type { RowLevelSecurityDefinition } from '../service.ts';
import type { Session } from '../session.ts';
import { functionFindings, roleFindings, viewFindings } from './access-rules.ts';
import type { VerifyFinding } from './finding.ts';
import { asMigration } from './migration-hint.ts';
import { probeTables, whyNotBecome, type ProbeReport } from './probe.ts';
import { readTenantFacts, type TableFacts } from './tenant-facts.ts';
import { Exceptions, shown, shownName, tableFindings } from './tenant-rules.ts';

export interface RowLevelSecurityOptions {
  readonly definition: RowLevelSecurityDefinition;
  /** The role that the application works as; `null` where the service names none. */
  readonly applicationRole: string | null;
  /** Default `public`. */
  readonly schema?: string | undefined;
  /** Tables of the history, which belong to no tenant; those that are one by their columns are known. Default none. */
  readonly exclude?: readonly string[] | undefined;
  /** Tables of the schema that are this service's, where others keep theirs beside them. Default: all are. */
  readonly only?: readonly string[] | undefined;
  /** The history table's name: other schemas that have one of that name are other tenants', and are not looked into. Default: all are. */
  readonly history?: string | undefined;
  /** `some-met`: of `allow`, what names nothing here may be about another target. Default `all-met`. */
  readonly exceptions?: 'all-met' | 'some-met' | undefined;
  /** `live`: also tries with two tenants. Default `live`. */
  readonly probe?: 'live' | 'none' | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RowLevelSecurityReport {
  readonly findings: readonly VerifyFinding[];
  /** `null` where nothing was tried: not asked for, or the role alone is reason enough to fail. */
  readonly probe: ProbeReport | null;
}

/** Where the role is wrong, no table would hold: trying each of them would say so once more. */
const POWERS: ReadonlySet<string> = new Set(['roleAbsent', 'roleSuperuser', 'roleBypasses', 'roleMember', 'migratorCannotBypass']);

/**
 * Asks every table of the schema, partitions by themselves, and whatever reads them; then tries, in transactions that are rolled back, what one tenant
 * must not do with another one's rows. A table that a rule has found fault with is not tried. To be run as the role that migrates.
 */
export async function verifyRowLevelSecurity(session: Session, options: RowLevelSecurityOptions): Promise<RowLevelSecurityReport> {
  const { definition, applicationRole, schema = 'public', exclude = [], only, history = null, probe = 'live', signal } = options;
  const all = await readTenantFacts(session, { schema, column: definition.column, applicationRole, exclude, history });
  const mine = new Set(only ?? all.tables.map((one) => one.name));
  const facts = { ...all, tables: all.tables.filter((one) => one.schema !== schema || mine.has(one.name)) };
  const exceptions = new Exceptions(definition.allow ?? []);
  const tables = tableFindings(facts, definition, exceptions);
  const access = [
    ...(applicationRole === null
      ? [notChecked('the service names no applicationRole: whom its policies hold was not looked at')]
      : roleFindings(facts, applicationRole, exceptions)),
    ...viewFindings(facts, exceptions),
    ...functionFindings(facts, definition, exceptions),
  ];
  const unmet = options.exceptions === 'some-met' ? [] : exceptions.unmet;
  const unknown = unmet.map((name): VerifyFinding => {
    const message = `rowLevelSecurity.allow names ${name}, and there is nothing of that name that would need it`;
    return { code: 'unknownException', severity: 'warning', object: name, message, hint: 'take it out: it would hide a mistake of that name later' };
  });
  const findings = [...tables, ...access, ...unknown].map((one) => asMigration(one, schema));
  if (probe === 'none' || applicationRole === null || access.some((one) => POWERS.has(one.code))) return { findings, probe: null };
  const refusal = await whyNotBecome(session, applicationRole);
  if (refusal !== null) {
    const message = `nothing was tried with two tenants: this role may not become ${shown(applicationRole)} (${refusal})`;
    return { findings: [...findings, notChecked(message, `GRANT ${shown(applicationRole)} TO the role that migrates`)], probe: null };
  }
  const faulty = new Set([...tables, ...access].map((one) => one.object?.replace(/^policy .* of (?=table )/, '')));
  const subjects = facts.tables.filter((one) => one.kind === 'table' && one.column !== null && !exceptions.has(one.schema, one.name));
  const sound = subjects.filter((one) => !faulty.has(`table ${shownName(one)}`));
  const objected = subjects.filter((one) => !sound.includes(one)).map((one) => ({ table: shownName(one), reason: 'not tried: a rule objects to it already' }));
  const open = (table: TableFacts): boolean =>
    table.policies.some((one) => (one.command === 'r' || one.command === '*') && exceptions.has(table.schema, `${table.name}.${one.name}`));
  const tried = await probeTables(session, sound, { schema, definition, role: applicationRole, open, signal });
  const { probed, notProbed } = tried.report;
  return { findings: [...findings, ...tried.findings], probe: { probed, notProbed: [...notProbed, ...objected] } };
}

function notChecked(message: string, hint: string | null = null): VerifyFinding {
  return { code: 'notChecked', severity: 'warning', object: null, message, hint };
}
