/** Owners, grants and comments: what every kind of object has. */

import { identifier, literal } from '../sql.ts';
import type { Context } from './context.ts';
import type { Statement } from './node.ts';
import type { Access, Right } from './rows/common.ts';
import { sql, type Text } from './text.ts';

export interface Described {
  readonly key: string;
  /** As in ALTER … OWNER TO and COMMENT ON: `TABLE "patients"`. */
  readonly name: Text | string;
  /** As in GRANT … ON, where that is another. */
  readonly grantName?: Text | string;
  readonly owner?: string | null;
  readonly access?: Access | null;
}

export function describe(context: Context, { key, name, grantName = name, owner = null, access = null }: Described): Statement[] {
  const statements: Statement[] = [];
  if (owner !== null) statements.push({ phase: 'owner', text: sql`ALTER ${name} OWNER TO ${identifier(owner)}` });
  if (access !== null) statements.push(...grants(context.inForce(access), grantName, owner));
  statements.push(...comment(context, key, 0, name));
  return statements;
}

export function comment(context: Context, key: string, part: number, name: Text | string): Statement[] {
  const text = context.takeComment(key, part);
  return text === null ? [] : [{ phase: 'comment', text: sql`COMMENT ON ${name} IS ${literal(text)}` }];
}

/** `columns` is a list in parentheses, for rights on these alone. */
export function grants({ now, usual }: Pick<Access, 'now' | 'usual'>, name: Text | string, owner: string | null, columns = ''): Statement[] {
  const statements: Statement[] = [];
  const is = byGrantee(now);
  const was = byGrantee(usual);
  for (const grantee of new Set([...was.keys(), ...is.keys()])) {
    const held = is.get(grantee) ?? new Map<string, boolean>();
    const before = was.get(grantee) ?? new Map<string, boolean>();
    if (held.size === before.size && [...held].every(([privilege, grantable]) => before.get(privilege) === grantable)) continue;
    const to = grantee === OWNER ? (owner === null ? 'CURRENT_USER' : identifier(owner)) : grantee === PUBLIC ? 'PUBLIC' : identifier(grantee);
    if (before.size > 0) statements.push({ phase: 'grant', text: sql`REVOKE ALL ON ${name} FROM ${to}` });
    for (const grantable of [false, true]) {
      const privileges = [...held].filter(([, option]) => option === grantable).map(([privilege]) => `${privilege}${columns}`);
      const option = grantable ? ' WITH GRANT OPTION' : '';
      if (privileges.length > 0) statements.push({ phase: 'grant', text: sql`GRANT ${privileges.join(', ')} ON ${name} TO ${to}${option}` });
    }
  }
  return statements;
}

/** No role is called so: a name cannot hold a NUL character. */
const OWNER = '\0owner';
const PUBLIC = '\0public';

function byGrantee(rights: readonly Right[]): Map<string, Map<string, boolean>> {
  const held = new Map<string, Map<string, boolean>>();
  for (const [name, isOwner, privilege, grantable] of rights) {
    const grantee = isOwner ? OWNER : (name ?? PUBLIC);
    const privileges = held.get(grantee) ?? new Map<string, boolean>();
    held.set(grantee, privileges.set(privilege, grantable || privileges.get(privilege) === true));
  }
  return held;
}
