import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { inHistoryOrder, seqOfMarked } from '../src/history-order.ts';
import { plan, planAgain, type AppliedMigration, type AvailableMigration, type PlanRequest } from '../src/plan.ts';

function files(...names: string[]): AvailableMigration[] {
  return names.map((name) => ({ name, version: name.split('_')[0] ?? name, checksum: `sum of ${name}`, requires: [] }));
}

function applied(...names: string[]): AppliedMigration[] {
  return names.map((text, index) => {
    const [name = '', ...marks] = text.split(' ');
    const state = marks.includes('started') ? 'started' : marks.includes('undoing') ? 'undoing' : 'applied';
    return {
      name,
      version: name.split('_')[0] ?? name,
      description: '',
      checksum: marks.includes('changed') ? 'another sum' : marks[0]?.startsWith('=') === true ? `sum of ${marks[0].slice(1)}` : `sum of ${name}`,
      appliedAt: '2026-01-01T00:00:00.000Z',
      appliedBy: 'postgres',
      durationMs: 1,
      state,
      seq: index + 1,
      runId: 'r',
      requires: [],
      storedDown: true,
    };
  });
}

interface Case {
  readonly what: string;
  readonly files: readonly string[];
  readonly applied: readonly string[];
  readonly request: PlanRequest;
  readonly steps?: readonly string[];
  readonly problems?: readonly string[];
}

const up = { direction: 'up' } as const;
const down = { direction: 'down' } as const;

const cases: readonly Case[] = [
  { what: 'an empty folder on an empty history', files: [], applied: [], request: up },
  { what: 'everything pending', files: ['1_a', '2_b'], applied: [], request: up, steps: ['up 1_a', 'up 2_b'] },
  { what: 'nothing pending', files: ['1_a', '2_b'], applied: ['1_a', '2_b'], request: up },
  { what: 'up to a version includes it', files: ['1_a', '2_b', '3_c'], applied: [], request: { ...up, to: '2' }, steps: ['up 1_a', 'up 2_b'] },
  { what: 'up to a version already applied does nothing', files: ['1_a', '2_b'], applied: ['1_a'], request: { ...up, to: '1' } },
  { what: 'so many steps up', files: ['1_a', '2_b', '3_c'], applied: ['1_a'], request: { ...up, steps: 1 }, steps: ['up 2_b'] },
  { what: 'a version that is not there', files: ['1_a'], applied: [], request: { ...up, to: '9' }, problems: ['error unknownVersion 9'] },
  {
    what: 'pending below the newest applied',
    files: ['1_a', '2_b', '3_c'],
    applied: ['1_a', '3_c'],
    request: up,
    steps: ['up 2_b'],
    problems: ['error outOfOrder 2_b'],
  },
  {
    what: 'the same where the order allows it',
    files: ['1_a', '2_b', '3_c'],
    applied: ['1_a', '3_c'],
    request: { ...up, order: 'allow' },
    steps: ['up 2_b'],
    problems: ['warning outOfOrder 2_b'],
  },
  { what: 'out of order only counts for what the request runs', files: ['1_a', '2_b', '3_c'], applied: ['1_a', '3_c'], request: { ...up, to: '1' } },
  { what: 'an old replica on a newer history', files: ['1_a'], applied: ['1_a', '2_b'], request: up, problems: ['warning unknownApplied 2_b'] },
  {
    what: 'an applied file that vanished between others',
    files: ['1_a', '3_c'],
    applied: ['1_a', '2_b', '3_c'],
    request: up,
    problems: ['error unknownApplied 2_b'],
  },
  { what: 'a file that vanished from below', files: ['2_b'], applied: ['1_a', '2_b'], request: up, problems: ['error unknownApplied 1_a'] },
  { what: 'a changed file', files: ['1_a', '2_b'], applied: ['1_a changed'], request: up, steps: ['up 2_b'], problems: ['error changed 1_a'] },
  { what: 'a renamed file is not run again', files: ['1_new'], applied: ['1_old =1_new'], request: up, problems: ['error renamed 1_old'] },
  { what: 'an interrupted one goes on', files: ['1_a', '2_b', '3_c'], applied: ['1_a', '2_b started'], request: up, steps: ['resume up 2_b', 'up 3_c'] },
  {
    what: 'a half undone one is undone and applied again',
    files: ['1_a', '2_b'],
    applied: ['1_a', '2_b undoing'],
    request: up,
    steps: ['resume down 2_b', 'up 2_b'],
  },
  {
    what: 'an interrupted one that this build does not know',
    files: ['1_a'],
    applied: ['1_a', '2_b started'],
    request: up,
    problems: ['warning unknownApplied 2_b', 'error interrupted 2_b'],
  },
  { what: 'down takes the last one', files: ['1_a', '2_b'], applied: ['1_a', '2_b'], request: down, steps: ['down 2_b'] },
  { what: 'down goes by the order of applying', files: ['1_a', '2_b', '3_c'], applied: ['1_a', '3_c', '2_b'], request: down, steps: ['down 2_b'] },
  {
    what: 'down to a version keeps it',
    files: ['1_a', '2_b', '3_c'],
    applied: ['1_a', '2_b', '3_c'],
    request: { ...down, to: '1' },
    steps: ['down 3_c', 'down 2_b'],
  },
  {
    what: 'down to a version that is not applied',
    files: ['1_a', '2_b'],
    applied: ['1_a'],
    request: { ...down, to: '2' },
    problems: ['error unknownVersion 2'],
  },
  { what: 'down of just one', files: ['1_a', '2_b'], applied: ['1_a', '2_b'], request: { ...down, only: '1_a' }, steps: ['down 1_a'] },
  { what: 'more steps down than there are', files: ['1_a'], applied: ['1_a'], request: { ...down, steps: 5 }, steps: ['down 1_a'] },
  {
    what: 'down of what only the history knows',
    files: ['1_a'],
    applied: ['1_a', '2_b'],
    request: down,
    steps: ['down 2_b'],
    problems: ['warning unknownApplied 2_b'],
  },
  {
    what: 'down of a changed one is told, not refused',
    files: ['1_a'],
    applied: ['1_a changed'],
    request: down,
    steps: ['down 1_a'],
    problems: ['warning changed 1_a'],
  },
  { what: 'down of an interrupted one', files: ['1_a'], applied: ['1_a started'], request: down, steps: ['down 1_a'], problems: ['error interrupted 1_a'] },
  { what: 'a list keeps its own order', files: ['b', 'a'], applied: ['b'], request: up, steps: ['up a'] },
  { what: 'an unknown one behind a list', files: ['z', 'a'], applied: ['z', 'a', 'm'], request: up, problems: ['warning unknownApplied m'] },
];

describe('plan', () => {
  test.each(cases)('$what', (one) => {
    const result = plan(files(...one.files), applied(...one.applied), one.request);
    expect(result.steps.map((step) => `${step.mode === 'resume' ? 'resume ' : ''}${step.direction} ${step.name}`)).toEqual(one.steps ?? []);
    expect(result.problems.map((problem) => `${problem.severity} ${problem.code} ${problem.name}`)).toEqual(one.problems ?? []);
  });

  test('after a lost race, steps that somebody else did are left out and none is put in their place', () => {
    const available = files('1_a', '2_b', '3_c');
    const request = { ...up, steps: 1 };
    const first = plan(available, applied(), request);
    const again = planAgain(
      available,
      applied('1_a'),
      request,
      first.steps.map((step) => step.name),
    );
    expect(again.steps).toEqual([]);
    expect(again.problems).toEqual([]);
  });

  test('a down does not go on below what somebody applied meanwhile', () => {
    const again = planAgain(files('1_a', '2_b'), applied('1_a', '2_b'), { ...down, steps: 1 }, ['1_a']);
    expect(again.problems.map((problem) => `${problem.severity} ${problem.name}`)).toEqual(['error 2_b']);
  });
});

describe('any history', () => {
  const names = Array.from({ length: 8 }, (_, index) => `${String(index + 1).padStart(4, '0')}_m`);
  const available = files(...names);

  /** Carries a plan out on a history. */
  function run(history: readonly AppliedMigration[], request: PlanRequest): AppliedMigration[] {
    const result = plan(available, history, request);
    let now = [...history];
    for (const step of result.steps) {
      if (step.direction === 'down') now = now.filter((row) => row.name !== step.name);
      else now.push({ ...(applied(step.name)[0] as AppliedMigration), seq: Math.max(0, ...now.map((row) => row.seq)) + 1 });
    }
    return now;
  }

  const requests = fc.array(
    fc.oneof(
      fc.record({ direction: fc.constant('up' as const), steps: fc.integer({ min: 1, max: 9 }), order: fc.constant('allow' as const) }),
      fc.record({ direction: fc.constant('up' as const), to: fc.constantFrom(...names), order: fc.constant('allow' as const) }),
      fc.record({ direction: fc.constant('down' as const), steps: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ direction: fc.constant('down' as const), to: fc.constantFrom(...names) }),
      fc.record({ direction: fc.constant('down' as const), only: fc.constantFrom(...names) }),
    ),
    { maxLength: 12 },
  );

  test('reached by ups and downs replans to everything applied once', () => {
    fc.assert(
      fc.property(requests, (all) => {
        const history = all.reduce<AppliedMigration[]>((now, request) => run(now, request as PlanRequest), []);
        const end = run(history, { direction: 'up', order: 'allow' });
        expect(end.map((row) => row.name).toSorted()).toEqual(names);
        expect(plan(available, end, up).steps).toEqual([]);
      }),
    );
  });

  test('is undone whole by down --steps of its length, newest first', () => {
    fc.assert(
      fc.property(requests, (all) => {
        const history = all.reduce<AppliedMigration[]>((now, request) => run(now, request as PlanRequest), []);
        const result = plan(available, history, { direction: 'down', steps: Math.max(1, history.length) });
        expect(result.steps.map((step) => step.name)).toEqual(history.toSorted((a, b) => b.seq - a.seq).map((row) => row.name));
        expect(run(history, { direction: 'down', steps: Math.max(1, history.length) })).toEqual([]);
      }),
    );
  });

  const marks = fc.array(fc.tuple(fc.constantFrom('undone' as const, 'applied' as const), fc.integer({ min: 0, max: 7 })), { maxLength: 30 });

  /** Marks them as `repair` does. @param known What the build has that does it. */
  function repaired(
    history: readonly AppliedMigration[],
    all: readonly (readonly ['undone' | 'applied', number])[],
    known: typeof available,
  ): AppliedMigration[] {
    let next = Math.max(0, ...history.map((row) => row.seq));
    return all.reduce<AppliedMigration[]>(
      (now, [mark, index]) => {
        const name = names[index] ?? '';
        next++;
        if (mark === 'undone') return now.filter((row) => row.name !== name);
        if (now.some((row) => row.name === name)) return now;
        return [{ ...(applied(name)[0] as AppliedMigration), seq: seqOfMarked(known, now, name, next) }, ...now];
      },
      [...history],
    );
  }

  test('applied in order, and then marked as undone and as applied in whatever order, is undone in the reverse of the source', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 8 }), marks, fc.subarray(names), (count, all, missing) => {
        const history = repaired(count === 0 ? [] : run([], { ...up, steps: count }), all, available);
        // Another build may know only some of them: their names tell the rest.
        for (const known of [available, available.filter((one) => !missing.includes(one.name))]) {
          const { steps } = plan(known, history, { direction: 'down', steps: Math.max(1, history.length) });
          expect(steps.map((step) => step.name)).toEqual(
            history
              .map((row) => row.name)
              .toSorted()
              .toReversed(),
          );
        }
      }),
    );
  });

  test('what is marked between others does not change their order among themselves', () => {
    fc.assert(
      fc.property(requests, fc.constantFrom(...names), (all, name) => {
        const history = all.reduce<AppliedMigration[]>((now, request) => run(now, request as PlanRequest), []).filter((row) => row.name !== name);
        const row = { ...(applied(name)[0] as AppliedMigration), seq: seqOfMarked(available, history, name, 1_000) };
        const order = inHistoryOrder(available, [row, ...history]).map((one) => one.name);
        expect(order.filter((one) => one !== name)).toEqual(history.toSorted((a, b) => a.seq - b.seq).map((one) => one.name));
        expect(order.at(-1) === name).toBe(history.every((one) => one.name < name));
      }),
    );
  });

  test('what is marked goes before everything behind it in the source, whatever was applied out of order', () => {
    // 0003 was applied last: right behind it 0004 would be the newest, before 0005 and 0006.
    const history = [1, 2, 5, 6, 3].map((n, index) => ({ ...(applied(names[n - 1] as string)[0] as AppliedMigration), seq: index + 1 }));
    const name = names[3] as string;
    const row = { ...(applied(name)[0] as AppliedMigration), seq: seqOfMarked(available, history, name, 1_000) };
    expect(inHistoryOrder(available, [...history, row]).map((one) => names.indexOf(one.name) + 1)).toEqual([1, 2, 4, 5, 6, 3]);
  });

  test('planning is a function: the same arrays give the same plan, and nothing is changed', () => {
    fc.assert(
      fc.property(requests, (all) => {
        const history = Object.freeze(all.reduce<AppliedMigration[]>((now, request) => run(now, request as PlanRequest), []).map((row) => Object.freeze(row)));
        expect(plan(available, history, up)).toEqual(plan(available, history.toReversed(), up));
      }),
    );
  });

  test('down to a version and up again to the newest is where it was', () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), (to) => {
        const all = run([], up);
        const lower = run(all, { direction: 'down', to });
        expect(lower.at(-1)?.name).toBe(to);
        expect(run(lower, up).map((row) => row.name)).toEqual(names);
      }),
    );
  });
});
