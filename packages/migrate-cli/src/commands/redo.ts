import { MigrationError, type MigrationSource, type Migrator, type Report } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { confirm, effects } from '../confirm.ts';
import { outputOptions, placeOptions, tenantOptions } from '../options.ts';
import { refuseUnrepeatable } from '../repeatable.ts';
import { runServices } from '../run.ts';
import { scopeOf } from '../scope.ts';
import { onlyService, selectServices } from '../selection.ts';
import { namesToUndo } from '../undone-names.ts';

export const command: CommandModule = {
  help: 'For a migration that is being written: correct its file, then redo. Refused before anything is undone where it could not be applied again, or while what was undone last is still pending (then: migrate up). Asks on a terminal, and needs --yes without one.',
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
    const service = onlyService(selection, 'redo is for the last migration of');
    await confirm(invocation, selection, 'always', {
      what: 'undo the last migration and apply it again',
      exactly: async () => {
        const names = await namesToUndo([service], { direction: 'down' });
        if (names === null) return null;
        // Whoever says yes should not be told afterwards that it was about another one.
        await refuseUnrepeatable(service.migrator(), service.source);
        return `undo ${names} and apply it again`;
      },
      effect: effects.redo,
      announced: 'withQuestion',
    });
    return runServices(invocation, selection, scope, { direction: 'up', shared: (migrator) => redo(migrator, service.source) });
  },
};

async function redo(migrator: Migrator, source: MigrationSource): Promise<Report> {
  await refuseUnrepeatable(migrator, source);
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

function joined(down: Report, up: Report, outcome: Report['outcome']): Report {
  return { ...up, outcome, undone: down.undone, warnings: [...down.warnings, ...up.warnings], durationMs: down.durationMs + up.durationMs };
}
