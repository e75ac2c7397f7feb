import { MigrationError, positionIn, type MigrationSource, type Migrator, type Report } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { confirm, effects } from '../confirm.ts';
import { outputOptions, placeOptions, tenantOptions } from '../options.ts';
import { runServices } from '../run.ts';
import { scopeOf } from '../scope.ts';
import { onlyService, selectServices } from '../selection.ts';

export const command: CommandModule = {
  help: 'For a migration that is being written: correct its file, then redo. Asks on a terminal, and needs --yes without one.',
  options: [...placeOptions, ...tenantOptions, 'lockTimeout', 'lockWait', 'yes', 'allowProduction', ...outputOptions],
  examples: [
    ['migrate redo --service patient', 'undo the last migration of patient and apply it again'],
    ['migrate redo --service appointment --source tenant', 'in every tenant, one after the other'],
    ['migrate redo --yes', 'inside a service’s folder, without asking'],
  ],
  async run(invocation) {
    const selection = await selectServices(invocation);
    const scope = scopeOf(invocation.options, selection, 'refuse');
    if (scope.kind === 'query' || scope.tenants.length > 0) {
      const { redoTenants } = await import('../fleet/redo.ts');
      return redoTenants(invocation, selection, scope, redo);
    }
    onlyService(selection, 'redo is for the last migration of');
    await confirm(invocation, selection, 'always', { what: 'undo the last migration and apply it again', effect: effects.redo, announced: 'withQuestion' });
    const [service] = selection.services;
    return runServices(invocation, selection, scope, { direction: 'up', shared: (migrator) => redo(migrator, service?.source ?? null) });
  },
};

async function redo(migrator: Migrator, source: MigrationSource | null): Promise<Report> {
  await refuseBroken(migrator, source);
  const down = await migrator.down();
  const last = down.undone[0];
  if (last === undefined) return down;
  try {
    const up = await migrator.up({ to: last.name });
    return joined(down, up, up.outcome);
  } catch (error) {
    // The down is done and stays done: the report of the failure must say so.
    if (!(error instanceof MigrationError) || error.report === null) throw error;
    const { code, message, migration, target, position, statement, sqlState, data, problems, cause } = error;
    throw new MigrationError({
      code,
      message,
      hint: error.hint ?? `${last.name} is undone; correct it and apply it with: migrate up`,
      migration: migration ?? undefined,
      target: target ?? undefined,
      position: position ?? undefined,
      statement: statement ?? undefined,
      sqlState: sqlState ?? undefined,
      data: data ?? undefined,
      problems,
      cause,
      report: joined(down, error.report, error.report.outcome),
    });
  }
}

/** Before anything is undone: the file has to be one that can be applied again. */
async function refuseBroken(migrator: Migrator, source: MigrationSource | null): Promise<void> {
  const { applied } = await migrator.status();
  const last = applied.toSorted((a, b) => b.seq - a.seq)[0];
  if (last === undefined || source === null) return;
  const { migrations, problems } = await source.list();
  const [problem] = problems;
  if (problem !== undefined) {
    throw new MigrationError({
      code: 'invalidMigration',
      message: problems.map((one) => one.message).join('\n'),
      hint: 'nothing was undone: put that right first, since it could not be applied again',
      migration: problem.name,
    });
  }
  if (!migrations.some((one) => one.name === last.name)) return;
  // Throws what is wrong with the file. A syntax error that only an older server would take is one here: its author is at work on it.
  const [compiled] = await source.compile([last.name]);
  const error = compiled?.up.kind === 'sql' ? compiled.up.syntaxError : undefined;
  if (error === undefined || compiled?.up.kind !== 'sql') return;
  throw new MigrationError({
    code: 'invalidMigration',
    message: `${last.name}: ${error.message}`,
    hint: 'nothing was undone. Correct the file and run again',
    migration: last.name,
    position: positionIn(compiled.up, error.start),
  });
}

function joined(down: Report, up: Report, outcome: Report['outcome']): Report {
  return { ...up, outcome, undone: down.undone, warnings: [...down.warnings, ...up.warnings], durationMs: down.durationMs + up.durationMs };
}
