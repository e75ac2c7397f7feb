/** Asks the services that keep a place for each clinic to make it, again and again until each has: also after a restart, and beside other replicas. */

import { setTimeout as sleep } from 'node:timers/promises';
import { serviceToken, type App, type Database } from '@org/service-kit';
import { findDue, recordDone, recordLater, SERVICES, takeDue, type Job } from './provisionings.ts';

/** Looks for work that other replicas left, or that is due again. Milliseconds. */
const LOOK_EVERY_MS = 2_000;
/** While the work cannot be read, it is looked for less often; but when that is over, it is seen soon. Milliseconds. */
const LONGEST_LOOK_MS = 5_000;
const AT_ONCE = 4;
/** An answer comes within about two seconds, or says that it goes on. Milliseconds. */
const ANSWER_WITHIN_MS = 15_000;
/** Longer than an attempt can take. */
const LEASE_SECONDS = 30;
const LONGEST_WAIT_SECONDS = 300;

/** How an attempt ended. `later`: it goes on there; nothing is wrong. */
type Attempt = { readonly kind: 'done' } | { readonly kind: 'later' } | { readonly kind: 'failed'; readonly why: string; readonly retryAfter: number };

export class Provisioner {
  readonly #app: App;
  readonly #database: Database;
  /** Where each service is, of those that have been told to this one. */
  readonly #urls: ReadonlyMap<string, string>;
  /** Reasons that were told: one that stays the same for a thousand clinics is one line. */
  readonly #told = new Map<string, string>();
  #wake: () => void = () => undefined;

  constructor(app: App, database: Database, environment: NodeJS.ProcessEnv) {
    this.#app = app;
    this.#database = database;
    this.#urls = urlsIn(environment);
  }

  /** Something is due now. */
  nudge(): void {
    this.#wake();
  }

  /** Until the signal. What it was at is taken over by whoever comes next. */
  async run(signal: AbortSignal): Promise<void> {
    for (const service of SERVICES) {
      if (!this.#urls.has(service)) this.#app.log.warn({ service }, `clinics are not set up in ${service}, and wait for it: ${variableOf(service)} is not set`);
    }
    if (this.#urls.size === 0) return;
    /** In a row, in which the work could not be read; and why, as far as it was told. */
    let failures = 0;
    const reasons = new Set<string>();
    while (!signal.aborted) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const worked = await this.#round(signal).catch((error: unknown) => reasonOf(error));
      if (typeof worked === 'string') {
        failures++;
        // The database is away for a moment: the requests say so as well, so one line for each reason is enough.
        if (!reasons.has(worked)) this.#app.log.warn(`the clinics to be set up elsewhere cannot be read, and are asked for again: ${worked}`);
        reasons.add(worked);
      } else {
        failures = 0;
        reasons.clear();
      }
      if (worked === AT_ONCE) continue;
      const timer = new AbortController();
      await Promise.race([
        woken,
        sleep(lookAgainMs(failures) * (0.75 + Math.random() / 2), undefined, { signal: AbortSignal.any([signal, timer.signal]) }).catch(() => undefined),
      ]);
      timer.abort();
    }
  }

  /** How many rows were due. */
  async #round(signal: AbortSignal): Promise<number> {
    const due = await findDue(this.#database, [...this.#urls.keys()], AT_ONCE);
    await Promise.all(
      due.map(async (one) => {
        const job = await takeDue(this.#database, one, LEASE_SECONDS);
        if (job !== null) await this.#work(job, signal);
      }),
    );
    return due.length;
  }

  async #work(job: Job, signal: AbortSignal): Promise<void> {
    const attempt = await this.#ask(job, signal);
    if (attempt.kind === 'done') {
      if ((await recordDone(this.#database, job)) === 'changed') return this.nudge();
      this.#told.delete(job.service);
      this.#app.log.info({ tenant: job.tenant, service: job.service, attempts: job.attempts }, `${job.service} has set the clinic up`);
      return;
    }
    if (attempt.kind === 'later') return await recordLater(this.#database, job, 1, null);
    const { why, retryAfter } = attempt;
    if (this.#told.get(job.service) !== why)
      this.#app.log.warn({ tenant: job.tenant, service: job.service }, `${job.service} has not set the clinic up, and is asked again: ${why}`);
    this.#told.set(job.service, why);
    const wait = Math.min(Math.max(2 ** Math.min(job.attempts - 1, 10), retryAfter), LONGEST_WAIT_SECONDS);
    await recordLater(this.#database, job, wait * (0.75 + Math.random() / 2), why);
  }

  async #ask(job: Job, signal: AbortSignal): Promise<Attempt> {
    const { service, tenant, clinic } = job;
    try {
      const response = await fetch(new URL(`tenants/${tenant}`, this.#urls.get(service)), {
        method: 'PUT',
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
        // The token is for that service alone, and must not be led anywhere else.
        redirect: 'error',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${serviceToken(this.#app, { from: 'user', to: service, tenant, permission: 'tenants:provision' })}`,
        },
        body: JSON.stringify(clinic),
      });
      // What it says could quote what was sent.
      await response.body?.cancel();
      if (response.status === 200 || response.status === 201) return { kind: 'done' };
      if (response.status === 202) return { kind: 'later' };
      return { kind: 'failed', why: `${service} answered with ${response.status}`, retryAfter: Number(response.headers.get('retry-after')) || 0 };
    } catch (error) {
      // This process ends; nothing is wrong over there.
      if (signal.aborted) return { kind: 'later' };
      const { message, cause } = error as { message: string; cause?: { code?: string } };
      return { kind: 'failed', why: `${service} cannot be reached (${cause?.code ?? message})`, retryAfter: 0 };
    }
  }
}

/** After so many failures in a row: twice as long after each, at most five seconds. Milliseconds. */
export function lookAgainMs(failures: number): number {
  return Math.min(LOOK_EVERY_MS * 2 ** Math.max(0, failures - 1), LONGEST_LOOK_MS);
}

/** One line, without a stack. */
function reasonOf(error: unknown): string {
  const { message = '', code, cause } = error as { message?: string; code?: string; cause?: { code?: string } };
  return code ?? cause?.code ?? message.split('\n', 1)[0] ?? '';
}

function variableOf(service: string): string {
  return `${service.toUpperCase().replaceAll('-', '_')}_SERVICE_URL`;
}

function urlsIn(environment: NodeJS.ProcessEnv): ReadonlyMap<string, string> {
  const urls = new Map<string, string>();
  for (const service of SERVICES) {
    const url = environment[variableOf(service)]?.trim();
    if (url) urls.set(service, url.endsWith('/') ? url : `${url}/`);
  }
  return urls;
}
