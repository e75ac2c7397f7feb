import { MigrationError, planAdoption, type Adoption } from '@org/migrate-core';

import type { CommandModule } from '../commands.ts';
import { exit } from '../exit.ts';
import type { Invocation } from '../invocation.ts';
import { outputOptions, placeOptions } from '../options.ts';
import { heading, plural, printable } from '../render/text.ts';
import { onlyService, selectServices } from '../selection.ts';
import type { Service } from '../service.ts';

export const command: CommandModule = {
  help: 'What the other tool has applied counts as applied here, with its downs stored; nothing is run, and the other table is only read. Known are the histories of node-pg-migrate, Prisma, golang-migrate, Diesel, dbmate and TypeORM, and any table with a column called name or version.',
  options: [...placeOptions, 'from', 'dryRun', 'lockWait', ...outputOptions],
  examples: [
    ['migrate adopt --service patient --dry-run', 'what would be taken over; the table is looked for'],
    ['migrate adopt --from pgmigrations', 'inside a service’s folder: take that table’s word'],
    ['migrate adopt --dir ./migrations --url postgres://… --from schema_migrations --table schema_history', 'where both would have the same name'],
  ],
  async run(invocation) {
    const { options, output, signal } = invocation;
    const service = onlyService(await selectServices(invocation), 'A history is taken over for');
    const connection = await service.connection();
    const migrator = service.migrator({ signal, ...(options.lockWait === undefined ? {} : { waitLimitMs: options.lockWait }) });
    const { applied, target } = await migrator.status();
    if (applied.length > 0) {
      throw new MigrationError({
        code: 'invalidOptions',
        message: `${service.name} has a history of its own on ${target.name} already: ${plural(applied.length, 'migration')} applied. Nothing was written.`,
        hint: 'see it with: migrate status. For single migrations there is: migrate repair --mark-applied VERSION',
      });
    }
    const { connect } = service.connector;
    const adoption = await planAdoption({ connect, source: service.source, from: options.from, schema: target.schema });
    if (options.dryRun !== true) await migrator.repair({ markApplied: adoption.adopted.map((one) => one.name), takenOverFrom: adoption.table });
    if (options.json === true) {
      const { adoptionDocument } = await import('../render/document.ts');
      output.document(adoptionDocument(service.name, target, adoption, options.dryRun === true ? 'planned' : 'written'));
      return exit.done;
    }
    output.line(heading(service.name, connection, output.colours));
    tell(invocation, service, adoption);
    return exit.done;
  },
};

function tell({ options, output }: Invocation, service: Service, { table, tool, adopted, pending, gaps }: Adoption): void {
  const { colours } = output;
  output.line(`  ${printable(table)} is a history of ${tool}`);
  for (const { name, version, as } of adopted)
    output.line(`  ${colours.green('✓')} ${printable(name)}${[name, version].includes(as) ? '' : colours.dim(`  (there: ${printable(as)})`)}`);
  if (gaps.length > 0)
    output.line(
      `  ${colours.yellow('!')} not applied according to that table, although newer ones are: ${printable(gaps.join(', '))}. If they were, mark them: migrate repair --mark-applied VERSION`,
    );
  const done = plural(adopted.length, 'migration');
  if (options.dryRun === true) {
    output.line(`  ${done} would be marked as applied, ${pending.length} would be pending. Nothing was written.`);
    return;
  }
  output.line(
    `  ${colours.green(`${done} marked as applied`)}, with the downs that the files have; ${pending.length} pending. Nothing was run, and ${printable(table)} is as it was.`,
  );
  const history = options.table ?? null;
  if (history !== null && history !== service.input.definition.history?.table)
    output.line(
      options.dir === undefined
        ? `  From now on this service needs history: { table: '${printable(history)}' } in its migrate.config.ts.`
        : `  From now on every command needs --table ${printable(history)}.`,
    );
}
