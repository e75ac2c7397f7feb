/** A live migration for one tenant: what it asks and what it makes is looked through when it runs. */

import type { LiveDatabase, LiveScript } from '../../migration.ts';
import { addText } from './created-in.ts';
import { CreatedNames } from './created.ts';
import { findPlaces, mayMention } from './places.ts';
import { Template, type TenantSchema } from './template.ts';

export function liveFor(script: LiveScript, known: CreatedNames, tenant: TenantSchema): LiveScript {
  // What it makes itself is its own from there on.
  const all = new CreatedNames();
  all.addAll(known);
  const forTenant = async (sql: string): Promise<string> => {
    await addText(sql, all);
    if (!mayMention(sql)) return sql;
    // What is not parsed goes as it is: the server says what is wrong with it.
    return new Template(sql, (await findPlaces(sql, all))?.places ?? []).render(tenant).text;
  };
  return {
    ...script,
    build: async (db) => forTenant(await script.build(databaseFor(db, forTenant))),
  };
}

function databaseFor(db: LiveDatabase, forTenant: (sql: string) => Promise<string>): LiveDatabase {
  return {
    async query(text, values) {
      if (typeof text === 'string') return db.query(await forTenant(text), values);
      const { text: sql } = text as { text?: unknown };
      return db.query(typeof sql === 'string' ? { ...text, text: await forTenant(sql) } : text, values);
    },
  };
}
