/** What a finding's hint tells to type belongs into a migration: typed on one tenant, it mends that one and makes it another than its history says. Pure. */

import { identifier } from '../sql.ts';
import type { VerifyFinding } from './finding.ts';

/** What a migration does; roles and their powers are nobody's schema. */
const CHANGES = /^(?:ALTER (?:TABLE|POLICY|VIEW)|CREATE (?:INDEX|POLICY|TRIGGER)|REVOKE TRUNCATE) /;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** With names as a migration of this schema has them. One that cannot be shown as it is, is not shown as something to type. */
export function asMigration(finding: VerifyFinding, schema: string): VerifyFinding {
  const { hint } = finding;
  if (hint === null || !CHANGES.test(hint)) return finding;
  const sql = hint.replaceAll(`${identifier(schema)}.`, '');
  if (!UNSEEN.test(sql)) return { ...finding, hint: `write a migration with: ${sql}` };
  return { ...finding, hint: 'mend it by a migration; its name has characters that are not shown as they are, so there is nothing here to be typed' };
}
