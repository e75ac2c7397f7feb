import { expect, test } from 'vitest';

import { MigrationError, startMigrations, type Report, type StartupOptions, type StartupState, type Status } from '../src/index.ts';

const target = { name: 'db', database: 'db', schema: 'public', tenant: null };
const report: Report = { target, outcome: 'applied', applied: [], undone: [], failed: null, notRun: [], unknown: [], warnings: [], durationMs: 1 };
const refused = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });

function status(pending: readonly string[], problems: Status['problems'] = []): Status {
  return {
    target,
    current: null,
    applied: [],
    interrupted: [],
    pending: pending.map((name) => ({ name, version: name, description: '' })),
    problems,
    ignored: [],
    running: null,
  };
}

/** Answers one after another, the last one for good; an error is thrown. */
function answers<T>(...list: readonly (T | Error)[]): () => Promise<T> {
  let index = 0;
  return () => {
    const next = list[Math.min(index++, list.length - 1)] as T | Error;
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  };
}

async function run(
  options: Omit<StartupOptions, 'onState' | 'migrator'> & { up?: () => Promise<Report>; status?: () => Promise<Status> },
): Promise<{ phases: string[]; end: StartupState }> {
  const phases: string[] = [];
  const { up = answers<Report>(report), status: look = answers(status([])), ...rest } = options;
  const startup = startMigrations({ pollMs: 5, ...rest, migrator: { up, status: look }, onState: ({ phase }) => phases.push(phase) });
  expect(startup.state()).toEqual({ phase: 'starting' });
  return { phases, end: await startup.done };
}

test('a start migrates and is ready with the report', async () => {
  expect(await run({})).toEqual({ phases: ['migrating', 'ready'], end: { phase: 'ready', report } });
});

test('a start that is off looks at nothing', async () => {
  const never = (): Promise<never> => Promise.reject(new Error('it looked'));
  expect(await run({ mode: 'off', up: never, status: never })).toEqual({ phases: ['ready'], end: { phase: 'ready', report: null } });
});

test('a server that is not up yet is waited for, and told of once', async () => {
  const { phases, end } = await run({ up: answers<Report>(refused, report), status: answers<Status>(refused, refused, status([])), serverWaitMs: 5_000 });
  expect(phases).toEqual(['migrating', 'waitingForServer', 'migrating', 'ready']);
  expect(end.phase).toBe('ready');
});

test('the wait ends at its limit, with the reason', async () => {
  const { end } = await run({ up: answers<Report>(refused), status: answers<Status>(refused), serverWaitMs: 30 });
  expect(end).toMatchObject({ phase: 'failed', error: { code: 'connection' } });
  expect((end as { error: Error }).error.message).toContain('could not be reached for 0.03 s: nothing listens there');
});

test('the limit begins anew when the server was there in between', async () => {
  // Away, there for longer than the limit, away again, there: each absence is shorter than the limit.
  const long = async (): Promise<Report> => {
    await new Promise((resolve) => setTimeout(resolve, 400));
    throw refused;
  };
  let call = 0;
  const up = (): Promise<Report> => [() => Promise.reject(refused), long, () => Promise.resolve(report)][Math.min(call++, 2)]?.() ?? long();
  expect((await run({ up, serverWaitMs: 300 })).end.phase).toBe('ready');
});

test('a wrong password is not waited out', async () => {
  const wrong = Object.assign(new Error('password authentication failed'), { code: '28P01', severity: 'FATAL' });
  const began = performance.now();
  expect((await run({ up: answers<Report>(wrong), serverWaitMs: 60_000 })).end).toMatchObject({ phase: 'failed', error: { code: 'connection' } });
  expect(performance.now() - began).toBeLessThan(1_000);
});

test('a failed migration is the outcome as it is', async () => {
  const failed = new MigrationError({ code: 'migrationFailed', message: '0002 failed', report });
  expect((await run({ up: answers<Report>(failed) })).end).toEqual({ phase: 'failed', error: failed });
});

test('a start that waits writes nothing, and ends when nothing is pending', async () => {
  const never = (): Promise<never> => Promise.reject(new Error('it wrote'));
  const { phases, end } = await run({
    mode: 'wait',
    up: never,
    status: answers(status(['0001', '0002']), status(['0001', '0002']), status(['0002']), status([])),
  });
  expect(phases).toEqual(['waitingForMigrations', 'waitingForMigrations', 'ready']);
  expect(end).toEqual({ phase: 'ready', report: null });
});

test('a start that waits does not wait for what will not pass', async () => {
  const changed = { code: 'changed', version: '0001', name: '0001_a', message: '0001_a was changed', severity: 'error' } as const;
  expect((await run({ mode: 'wait', status: answers(status(['0002'], [changed])) })).end).toMatchObject({
    phase: 'failed',
    error: { code: 'planRefused', message: '0001_a was changed' },
  });
  // Somebody else's migration that was interrupted is somebody else's to complete.
  const interrupted = { ...changed, code: 'interrupted' } as const;
  expect((await run({ mode: 'wait', status: answers(status(['0002'], [interrupted]), status([])) })).end.phase).toBe('ready');
});

test('a signal ends every wait, and the outcome is stopped', async () => {
  for (const options of [
    { up: answers<Report>(refused), status: answers<Status>(refused) },
    { mode: 'wait' as const, status: answers(status(['0001'])) },
  ]) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 30);
    expect((await run({ ...options, signal: controller.signal })).end).toEqual({ phase: 'stopped', report: null });
  }
});

test('what was done before the signal is in the outcome', async () => {
  const aborted = new MigrationError({ code: 'aborted', message: 'stopped', report });
  expect((await run({ up: answers<Report>(aborted) })).end).toEqual({ phase: 'stopped', report });
});
