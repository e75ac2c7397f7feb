/** In which order migrations were applied, and where one that is marked as applied belongs among them. Pure. */

import { compareNames } from './migration.ts';
import type { AppliedMigration, AvailableMigration } from './plan.ts';

type Named = Pick<AvailableMigration, 'name'>;
type Placed = Pick<AppliedMigration, 'name' | 'seq'>;

/** By `seq`; those that share one stand in the source's order, and by their names what the source does not know. Down goes the other way. */
export function inHistoryOrder<Row extends Placed>(available: readonly Named[], applied: readonly Row[]): readonly Row[] {
  const bySeq = applied.toSorted((a, b) => a.seq - b.seq || compareNames(a.name, b.name));
  if (bySeq.every((row, index) => index === 0 || bySeq[index - 1]?.seq !== row.seq)) return bySeq;
  const position = positions(available, bySeq);
  const at = (row: Row): number => position.get(row.name) ?? -1;
  return bySeq.toSorted((a, b) => a.seq - b.seq || at(a) - at(b));
}

/**
 * The `seq` of a migration that is marked as applied. It gets `next` where nothing that is applied stands behind it in the source. Else it goes before the
 * earliest of those, and shares the `seq` of what was applied last before that (0 when there is nothing): it is not the newest one, which the next down would undo.
 */
export function seqOfMarked(available: readonly Named[], applied: readonly Placed[], name: string, next: number): number {
  const others = applied.filter((row) => row.name !== name);
  const position = positions(available, inHistoryOrder(available, others));
  const isBehind = (row: Placed): boolean => (position.get(row.name) ?? -1) > (position.get(name) ?? -1);
  const earliest = Math.min(...others.filter(isBehind).map((row) => row.seq));
  if (earliest === Infinity) return next;
  return Math.max(0, ...others.filter((row) => !isBehind(row) && row.seq <= earliest).map((row) => row.seq));
}

/** Source order counts 0, 1, 2 …; an unknown migration stands between its neighbours. @param applied In history order. */
export function positions(available: readonly Named[], applied: readonly Placed[]): ReadonlyMap<string, number> {
  const position = new Map<string, number>(available.map((migration, index) => [migration.name, index]));
  const unknown = applied.filter((row) => !position.has(row.name));
  if (unknown.length === 0) return position;
  // In a folder the names say where an unknown one belongs; in a list only the order of applying does.
  const sorted = available.every((migration, index) => index === 0 || compareNames(available[index - 1]?.name ?? '', migration.name) < 0);
  const known = new Map(position);
  for (const [rank, row] of unknown.entries()) {
    let before = -1;
    if (sorted) {
      before = available.findLastIndex((migration) => compareNames(migration.name, row.name) < 0);
    } else {
      for (const other of applied) {
        const earlier = other.seq < row.seq || (other.seq === row.seq && compareNames(other.name, row.name) < 0);
        if (earlier) before = Math.max(before, known.get(other.name) ?? -1);
      }
    }
    // Several in one gap keep the order of the history among themselves; behind the last known one it is "above".
    position.set(row.name, before === available.length - 1 ? available.length + rank : before + 1 - 1 / (2 + rank));
  }
  return position;
}
