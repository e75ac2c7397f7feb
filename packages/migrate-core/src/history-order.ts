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
 * The `seq` of a migration that is marked as applied. It gets `next` where nothing that is applied stands behind it in the source. Else it shares that of the
 * nearest applied one before it (0 when there is none), so that it is not the newest one, which the next down would undo.
 */
export function seqOfMarked(available: readonly Named[], applied: readonly Placed[], name: string, next: number): number {
  const others = applied.filter((row) => row.name !== name);
  const position = positions(available, inHistoryOrder(available, others));
  const at = (other: string): number => position.get(other) ?? -1;
  if (others.every((row) => at(row.name) < at(name))) return next;
  const before = others.filter((row) => at(row.name) < at(name));
  return before.reduce<Placed | null>((nearest, row) => (nearest === null || at(row.name) > at(nearest.name) ? row : nearest), null)?.seq ?? 0;
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
