import fc from 'fast-check';
import { expect, test } from 'vitest';

import { isReached, renderResults } from '../src/render.ts';
import { runContest, type Contestant } from '../src/contest.ts';
import { median, shuffled } from '../src/statistics.ts';

test('the median is the middle one, or the mean of the middle two', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test('shuffling loses nothing and leaves the given list alone', () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), (items) => {
      const before = [...items];
      const ascending = (a: number, b: number): number => a - b;
      expect(shuffled(items).toSorted(ascending)).toEqual(items.toSorted(ascending));
      expect(items).toEqual(before);
    }),
  );
});

test('every round runs each contestant once, the first round does not count, and the ratio is ours over theirs of the same round', async () => {
  const order: string[] = [];
  const contestant = (name: string, ms: number): Contestant => ({
    name,
    where: 'in process',
    run: async () => {
      order.push(name);
      const until = performance.now() + ms;
      while (performance.now() < until);
    },
  });
  const contest = { id: 'x', work: 'waiting', ours: contestant('ours', 40), rivals: [{ contestant: contestant('theirs', 2), reach: 2 }], notes: ['a note'] };
  const result = await runContest(contest, 3, process.pid, () => undefined);
  expect(order).toHaveLength(8);
  for (let round = 0; round < 4; round++) expect(order.slice(round * 2, round * 2 + 2).toSorted()).toEqual(['ours', 'theirs']);
  const [ours, theirs] = result.measurements;
  expect(ours).toMatchObject({ name: 'ours', ratio: null, reach: null });
  expect(theirs?.ratio?.median).toBeGreaterThan(2);
  expect(theirs === undefined ? null : isReached(theirs)).toBe(false);
  expect(renderResults([result])).toMatch(/theirs.*≤ 2×.*missed/);
});
