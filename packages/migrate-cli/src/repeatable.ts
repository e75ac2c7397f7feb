/** Whether the last migration can be undone and applied again: found out before anything is undone. */

import { MigrationError, positionIn, sourceNames, type LogEntry, type MigrationSource, type Migrator } from '@org/migrate-core';

/** What the log says of something done: a failure, or a beginning, is not. */
const OUTCOMES: readonly LogEntry['action'][] = ['up', 'down', 'repair', 'baseline', 'clone'];

/** Throws `planRefused` or `invalidMigration` where a redo could not do the whole of it, or would do it to another migration than the one that is meant. */
export async function refuseUnrepeatable(migrator: Migrator, source: MigrationSource): Promise<void> {
  await refuseUndone(migrator);
  const listing = await source.list();
  const [problem] = listing.problems;
  if (problem !== undefined) {
    throw new MigrationError({
      code: 'invalidMigration',
      message: listing.problems.map((one) => one.message).join('\n'),
      hint: 'nothing was undone: put that right first, since it could not be applied again',
      migration: problem.name,
    });
  }
  const { plan: down, steps } = await migrator.plan({ direction: 'down' });
  const [last] = steps;
  // Then the down says why.
  if (last === undefined || down.problems.some((one) => one.severity === 'error')) return;
  if (!sourceNames(listing).includes(last.name)) {
    const gone = down.problems.find((one) => one.name === last.name);
    throw new MigrationError({
      code: 'planRefused',
      message: gone?.message ?? `${last.name} is applied, and no migration here has that name`,
      hint: 'nothing was undone: there is no file from which it could be applied again',
      migration: last.name,
      problems: gone === undefined ? [] : [{ ...gone, severity: 'error' }],
    });
  }
  await refuseBroken(source, last.name);
  const { plan: up } = await migrator.plan({ direction: 'up', to: last.name }, { undone: last.name });
  const problems = up.problems.filter((one) => one.severity === 'error');
  if (problems.length === 0) return;
  throw new MigrationError({
    code: 'planRefused',
    message: problems.map((one) => one.message).join('\n'),
    hint: `nothing was undone: ${last.name} could not be applied again`,
    migration: problems[0]?.name,
    problems,
  });
}

/** A redo that failed has undone what it was about; typed again it would undo the one before that. */
async function refuseUndone(migrator: Migrator): Promise<void> {
  const [newest] = await migrator.log(1, OUTCOMES);
  if (newest?.action !== 'down' || !(await migrator.status()).pending.some((one) => one.name === newest.name)) return;
  throw new MigrationError({
    code: 'planRefused',
    message: `${newest.name} was undone last, and is not applied again yet: a redo would undo the one before it`,
    hint: `nothing was undone. Correct ${newest.name} and apply it with: migrate up`,
    migration: newest.name,
  });
}

/** Throws what is wrong with the file. A syntax error that only an older server would take is one here: its author is at work on it. */
async function refuseBroken(source: MigrationSource, name: string): Promise<void> {
  const [compiled] = await source.compile([name]);
  const error = compiled?.up.kind === 'sql' ? compiled.up.syntaxError : undefined;
  if (error === undefined || compiled?.up.kind !== 'sql') return;
  throw new MigrationError({
    code: 'invalidMigration',
    message: `${name}: ${error.message}`,
    hint: 'nothing was undone. Correct the file and run again',
    migration: name,
    position: positionIn(compiled.up, error.start),
  });
}
