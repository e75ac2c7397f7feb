/** The results as a table for people. Pure. */

import Table from 'cli-table3';

import type { ContestResult, Measurement } from './contest.ts';

export function renderResults(results: readonly ContestResult[]): string {
  const table = new Table({
    head: ['work', 'who', 'wall', 'CPU of the client', 'CPU of the server', 'ours ÷ theirs', 'lowest … highest', 'reach', ''],
    style: { head: [], border: [] },
  });
  for (const { work, measurements } of results) {
    measurements.forEach((one, index) => {
      table.push([index === 0 ? { content: work, rowSpan: measurements.length, vAlign: 'top' as const } : null, ...cells(one)].filter((cell) => cell !== null));
    });
  }
  const notes = results.flatMap(({ work, notes: own, rounds }) => [`${work}: ${rounds} rounds, medians`, ...own.map((note) => `  ${note}`)]);
  return [table.toString(), ...notes].join('\n');
}

/** `true` where its target was reached; `null` where it has none. */
export function isReached({ milliseconds, ratio, reach, limitMs }: Measurement): boolean | null {
  if (limitMs !== null) return milliseconds <= limitMs;
  return ratio === null || reach === null ? null : ratio.median <= reach;
}

function cells(one: Measurement): string[] {
  const { name, milliseconds, clientSeconds, serverSeconds, ratio, reach, limitMs } = one;
  const reached = isReached(one);
  return [
    name,
    milliseconds < 10 ? `${milliseconds.toFixed(2)} ms` : `${Math.round(milliseconds)} ms`,
    seconds(clientSeconds),
    seconds(serverSeconds),
    ratio === null ? '' : `${ratio.median.toFixed(2)}×`,
    ratio === null ? '' : `${ratio.lowest.toFixed(2)} … ${ratio.highest.toFixed(2)}`,
    reach !== null ? `≤ ${reach}×` : limitMs !== null ? `≤ ${limitMs} ms` : '',
    reached === null ? '' : reached ? 'reached' : 'missed',
  ];
}

function seconds(value: number | null): string {
  if (value === null) return '–';
  return value < 0.01 ? `${(value * 1_000).toFixed(2)} ms` : `${value.toFixed(2)} s`;
}
