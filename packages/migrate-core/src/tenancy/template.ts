/** Templates: what a source makes, made once and copied for each new tenant. One is never changed: another state of the source is another template. */

import { createHash } from 'node:crypto';

import { MigrationError } from '../errors.ts';
import { defaults } from '../migrator.ts';
import type { Session } from '../session.ts';
import { identifier } from '../sql.ts';
import { pause } from './again.ts';
import type { TenancyContext } from './context.ts';
import { nameWith } from './place.ts';
import { lockKeyOf, refuseAborted, takeLock } from './tenant-lock.ts';

/** Besides the one that was just made: those of the builds that run beside this one, before and after a release. */
export const KEPT = 1;

export interface Template {
  /** Its database or schema. */
  readonly name: string;
  /** The beginning of its comment, by which templates of this service are found. */
  readonly mark: string;
}

/** The template that this build's source makes. Throws `invalidMigration` for a source with problems. */
export async function templateOf({ options, layout, fleet }: TenancyContext, serviceDatabase: string): Promise<Template> {
  const migrations = await fleet.available();
  // What is in a template beside the migrations decides, too.
  const made = [
    layout.table,
    layout.extensionsSchema,
    layout.extensions,
    options.applicationRole ?? null,
    migrations.map(({ name, checksum }) => [name, checksum]),
  ];
  const digest = createHash('sha256').update(JSON.stringify(made)).digest('hex').slice(0, 20);
  const base = layout.kind === 'database' ? serviceDatabase : layout.service;
  return {
    name: nameWith(base, `_tpl_${digest}`),
    mark: `Template for tenants of ${layout.service}, whose registry is in ${identifier(serviceDatabase)}.${identifier(layout.schema)}.${identifier(`${layout.table}_tenants`)}, made `,
  };
}

/** Whether a schema is a template of this service, or was to be one. */
export function isTemplateName({ layout: { service } }: Pick<TenancyContext, 'layout'>, name: string): boolean {
  const suffix = /_tpl_[0-9a-f]{20}$/.exec(name)?.[0];
  return suffix !== undefined && name === nameWith(service, suffix);
}

/** How one kind of templates is made. */
export interface TemplateWorkshop {
  isReady(session: Session): Promise<boolean>;
  /** Under the template's lock, which the guardian's open transaction holds. Ends that transaction; ready afterwards. */
  make(guardian: Session): Promise<void>;
}

/** Codes of what may be over when it is tried again. */
const PASSING: ReadonlySet<string> = new Set(['unmetRequirement', 'connection', 'lockTimeout']);

/** Makes the template unless it is there: once, whoever asks at the same time, here or in another process. */
export async function ensureTemplate(context: TenancyContext, name: string, workshop: TemplateWorkshop): Promise<void> {
  const under = context.making.get(name);
  try {
    if (under !== undefined) return await under;
  } catch (error) {
    // It was begun for somebody else, perhaps for spares at the service's start, when something was lacking that is there by now.
    if (!(error instanceof MigrationError) || !PASSING.has(error.code)) throw error;
  }
  const since = context.making.get(name);
  if (since !== undefined) return since;
  const making = makeOnce(context, name, workshop).finally(() => context.making.delete(name));
  context.making.set(name, making);
  return making;
}

async function makeOnce(context: TenancyContext, name: string, workshop: TemplateWorkshop): Promise<void> {
  const { signal, waitLimitMs = defaults.waitLimitMs } = context.options;
  const until = performance.now() + waitLimitMs;
  const guardian = await context.open(null);
  try {
    for (let attempt = 1; ; attempt++) {
      refuseAborted(signal);
      if (await workshop.isReady(guardian)) return;
      if ((await takeLock(guardian, lockKeyOf('template', context.registry.table, name))).granted) {
        // Its last holder may just have finished it.
        if (!(await workshop.isReady(guardian))) await workshop.make(guardian);
        return;
      }
      await guardian.run('ROLLBACK');
      if (performance.now() > until) {
        throw new MigrationError({
          code: 'lockTimeout',
          message: `somebody else has been making the template ${JSON.stringify(name)} for ${waitLimitMs / 1000} s`,
          hint: 'wait for that, then create the tenant again',
        });
      }
      await pause(attempt, signal);
    }
  } finally {
    await guardian.run('ROLLBACK');
    await guardian.close();
  }
}

/** Of templates and when they were made, those that nobody needs: the newest one and the one before stay. Pure. */
export function outdated(templates: readonly { readonly name: string; readonly comment: string }[], current: string): readonly string[] {
  return templates
    .filter(({ name }) => name !== current)
    .toSorted((a, b) => (a.comment < b.comment ? 1 : -1))
    .slice(KEPT)
    .map(({ name }) => name);
}
