/** Thousands of tenants, one after the other on a few connections. Memory does not grow with their number. */

import type { FleetTarget } from '../fleet/target.ts';
import { checkTarget } from '../fleet/target.ts';
import type { Catalog } from '../catalog.ts';
import { MigrationError } from '../errors.ts';
import { Session, type ServerError } from '../session.ts';
import type { FleetVerifyOptions } from '../verify.ts';
import type { VerifyFinding } from './finding.ts';
import { Verifier, type TargetVerification } from './verifier.ts';

/** A server process keeps what it learned of every table it met: after so many schemas a fresh one is cheaper. */
const LONGEST_USE = 200;
/** So many catalogues are read by one message. Their tables are locked, as by a query, until it ends. */
const TOGETHER = 20;

/** As they come, not in the order of the targets. Throws for what is about all of them: the signal, a source that cannot be read. */
export async function* verifyTargets(options: FleetVerifyOptions): AsyncGenerator<TargetVerification, void, undefined> {
  const { concurrency = 4 } = options;
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const stoppable = { ...options, signal };
  const verifier = new Verifier(stoppable);
  const pieces = inPieces(options.targets());
  const working = new Map<number, Promise<{ readonly number: number; readonly results: readonly TargetVerification[] }>>();
  /** Places of tenants that somebody renamed. */
  const foundAs = new Set<string | null>();
  let begun = 0;
  let kind: 'schema' | 'database' = 'schema';
  try {
    for (let all = false; ;) {
      while (!all && working.size < concurrency) {
        signal.throwIfAborted();
        const piece = await pieces.next();
        if (piece.done === true) all = true;
        else {
          const number = begun++;
          kind = piece.value[0]?.schema === undefined ? 'database' : 'schema';
          const work = verifyPiece(verifier, piece.value, stoppable, foundAs).then((results) => ({ number, results }));
          // Whoever is waited for first tells its error; the others' must not end the process.
          work.catch(() => undefined);
          working.set(number, work);
        }
      }
      if (working.size === 0) break;
      const { number, results } = await Promise.race(working.values());
      working.delete(number);
      yield* results;
    }
    const strays = options.strays === undefined ? [] : (await options.strays()).unknown;
    for (const name of strays) if (!foundAs.has(name)) yield stray(name, kind, options.service);
  } finally {
    // Whatever is still at work ends first: it may have a scratch database to drop.
    ended.abort(new MigrationError({ code: 'aborted', message: 'the verification was ended' }));
    await Promise.allSettled(working.values());
  }
}

/** Neighbours of one database, so that they share a connection. */
async function* inPieces(targets: AsyncIterable<FleetTarget> | Iterable<FleetTarget>): AsyncGenerator<readonly FleetTarget[], void, undefined> {
  let piece: FleetTarget[] = [];
  for await (const target of targets) {
    checkTarget(target);
    if (piece.length >= LONGEST_USE || (piece.length > 0 && piece[0]?.database !== target.database)) {
      yield piece;
      piece = [];
    }
    piece.push(target);
  }
  if (piece.length > 0) yield piece;
}

async function verifyPiece(
  verifier: Verifier,
  targets: readonly FleetTarget[],
  { connect, signal, lostTenant }: FleetVerifyOptions,
  foundAs: Set<string | null>,
): Promise<readonly TargetVerification[]> {
  // What cannot be asked just now is left as it was seen.
  const becameOf = async (target: FleetTarget): Promise<TargetVerification | null> => {
    const known = (await lostTenant?.(target).catch(() => null)) ?? null;
    if (known === null) return null;
    foundAs.add(known.foundAs);
    return unreadable(target, known.error);
  };
  const results: TargetVerification[] = [];
  let session: Session | null = null;
  try {
    let known: ReadonlyMap<string, Catalog> = new Map();
    for (const [index, target] of targets.entries()) {
      signal?.throwIfAborted();
      try {
        session ??= await Session.open(() => connect(target.database ?? null));
        if (index % TOGETHER === 0) known = await verifier.catalogs(session, targets.slice(index, index + TOGETHER));
        const found = await verifier.verify(session, target, known.get(target.schema ?? 'public'));
        results.push((found.findings.some(isDoubtful) ? await becameOf(target) : null) ?? found);
      } catch (error) {
        if (signal?.aborted === true || (error instanceof MigrationError && error.code === 'aborted')) throw error;
        results.push((await becameOf(target)) ?? unreadable(target, error));
        await session?.close();
        session = null;
      }
    }
    return results;
  } finally {
    await session?.close();
  }
}

/** It may be another one, under the name of the tenant's own. */
function isDoubtful({ code }: VerifyFinding): boolean {
  return code === 'unreadable' || code === 'notMigrated';
}

/** One tenant's error is its own finding. */
function unreadable(target: FleetTarget, error: unknown): TargetVerification {
  const { tenant, schema = 'public', database = null } = target;
  const { severity, code, message } = error as ServerError;
  // A server's message may quote what it was given; its code does not.
  const why = error instanceof MigrationError || severity === undefined ? message : `${message.split('\n')[0]} (SQLSTATE ${code})`;
  const hint = error instanceof MigrationError ? error.hint : null;
  const finding: VerifyFinding = { code: 'unreadable', severity: 'error', object: null, message: `it could not be verified: ${why}`, hint };
  return { tenant, database, schema, findings: [finding], probe: null };
}

function stray(name: string, kind: 'schema' | 'database', service: string): TargetVerification {
  const message = `${name} has a history of ${service}, and the registry does not know it`;
  const finding: VerifyFinding = {
    code: 'stray',
    severity: 'warning',
    object: name,
    message,
    hint: 'a tenant that was taken out of the registry by hand, or a copy: look, then drop it',
  };
  return { tenant: null, database: kind === 'database' ? name : null, schema: kind === 'schema' ? name : 'public', findings: [finding], probe: null };
}
