/** Triggers, rules and policies; and what the schema itself has. */

import { identifier } from '../../sql.ts';
import type { Context } from '../context.ts';
import type { Node, NodeKind, Statement } from '../node.ts';
import { comment, describe } from '../rights.ts';
import type { DefaultPrivilegeRow, PolicyRow } from '../rows/small.ts';
import { HERE, sql, type Text } from '../text.ts';

const STATES = { O: '', D: 'DISABLE', R: 'ENABLE REPLICA', A: 'ENABLE ALWAYS' } as const;

export function triggerNodes(context: Context): Node[] {
  return context.rows.triggers.flatMap((trigger) => {
    const { relation, name, enabled, parent_enabled: parent } = trigger;
    const table = context.relation(relation)?.name ?? '';
    const state = (word: string): Text => [`ALTER TABLE ONLY ${identifier(table)} ${word} TRIGGER ${identifier(name)}`];
    if (parent !== null) {
      // A partition's own comes with its parent's; only its state may be another.
      if (parent === enabled) return [];
      const words = STATES[enabled] === '' ? 'ENABLE' : STATES[enabled];
      return [hanging(context, 'trigger', trigger, `state of trigger ${name} of table ${table}`, [{ phase: 'behaviour', text: state(words) }])];
    }
    const id = `trigger ${name} of table ${table}`;
    const statements: Statement[] = [{ phase: 'behaviour', text: context.check(id, [trigger.definition]) }];
    if (enabled !== 'O') statements.push({ phase: 'behaviour', text: state(STATES[enabled]) });
    statements.push(...comment(context, `pg_trigger:${trigger.oid}`, 0, `TRIGGER ${identifier(name)} ON ${identifier(table)}`));
    return [hanging(context, 'trigger', trigger, id, statements)];
  });
}

export function ruleNodes(context: Context): Node[] {
  return context.rows.rules.flatMap((rule) => {
    const { relation, name, enabled, definition } = rule;
    if (rule.is_view || definition === null) return [];
    const table = context.relation(relation)?.name ?? '';
    const id = `rule ${name} of table ${table}`;
    const statements: Statement[] = [{ phase: 'behaviour', text: context.check(id, [definition.replace(/;\s*$/, '')]) }];
    if (enabled !== 'O') statements.push({ phase: 'behaviour', text: [`ALTER TABLE ${identifier(table)} ${STATES[enabled]} RULE ${identifier(name)}`] });
    statements.push(...comment(context, `pg_rewrite:${rule.oid}`, 0, `RULE ${identifier(name)} ON ${identifier(table)}`));
    return [hanging(context, 'rule', rule, id, statements)];
  });
}

const COMMANDS: Readonly<Record<PolicyRow['command'], string>> = { r: 'SELECT', a: 'INSERT', w: 'UPDATE', d: 'DELETE', '*': 'ALL' };

export function policyNodes(context: Context): Node[] {
  return context.rows.policies.map((policy) => {
    const { relation, name, permissive, command, roles, using, check } = policy;
    const table = context.relation(relation)?.name ?? '';
    const id = `policy ${name} of table ${table}`;
    const create = [
      `CREATE POLICY ${identifier(name)} ON ${identifier(table)} AS ${permissive ? 'PERMISSIVE' : 'RESTRICTIVE'} FOR ${COMMANDS[command]}`,
      ` TO ${roles.map((role) => (role === null ? 'PUBLIC' : identifier(role))).join(', ')}`,
      using === null ? '' : ` USING (${using})`,
      check === null ? '' : ` WITH CHECK (${check})`,
    ].join('');
    const statements: Statement[] = [
      { phase: 'behaviour', text: context.check(id, [create]) },
      ...comment(context, `pg_policy:${policy.oid}`, 0, `POLICY ${identifier(name)} ON ${identifier(table)}`),
    ];
    return hanging(context, 'policy', policy, id, statements);
  });
}

const CATALOGS: Readonly<Partial<Record<NodeKind, string>>> = { trigger: 'pg_trigger', rule: 'pg_rewrite', policy: 'pg_policy' };

function hanging(context: Context, kind: NodeKind, { oid, relation }: { oid: string; relation: string }, id: string, statements: readonly Statement[]): Node {
  const key = `${CATALOGS[kind] ?? kind}:${oid}`;
  return {
    key,
    id,
    table: context.relation(relation)?.name ?? null,
    kind,
    needs: new Set([...context.needs(key), `pg_class:${relation}`]),
    oid: Number(oid),
    clause: null,
    locks: 0,
    statements: () => statements,
  };
}

const KINDS_OF_PRIVILEGES: Readonly<Record<DefaultPrivilegeRow['kind'], string>> = { r: 'TABLES', S: 'SEQUENCES', f: 'FUNCTIONS', T: 'TYPES' };

/** The schema, which is made by whoever copies it; here are its rights, its comment and its default privileges. */
export function schemaNodes(context: Context): Node[] {
  const { oid, owner, access } = context.rows.schema;
  const node = (key: string, id: string, kind: NodeKind, statements: readonly Statement[]): Node => ({
    key,
    id,
    table: null,
    kind,
    needs: new Set(),
    oid: Number(oid),
    clause: null,
    locks: 0,
    statements: () => statements,
  });
  const described = describe(context, { key: `pg_namespace:${oid}`, name: sql`SCHEMA ${[HERE]}`, owner, access });
  const privileges = context.rows.defaultPrivileges.map((one) => {
    const statements = one.rights.map(([grantee, , privilege, grantable]): Statement => {
      const to = grantee === null ? 'PUBLIC' : identifier(grantee);
      const grant = `GRANT ${privilege} ON ${KINDS_OF_PRIVILEGES[one.kind]} TO ${to}${grantable ? ' WITH GRANT OPTION' : ''}`;
      // At the very end: nothing made before may get them.
      return { phase: 'comment', text: sql`ALTER DEFAULT PRIVILEGES FOR ROLE ${identifier(one.role)} IN SCHEMA ${[HERE]} ${grant}` };
    });
    return node(
      `pg_default_acl:${one.oid}`,
      `default privileges on ${KINDS_OF_PRIVILEGES[one.kind].toLowerCase()} by ${one.role}`,
      'defaultPrivileges',
      statements,
    );
  });
  return [node(`pg_namespace:${oid}`, 'schema', 'schema', described), ...privileges];
}
