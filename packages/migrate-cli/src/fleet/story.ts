/** The story of a fleet's run: a line that moves on a terminal, and a summary. */

import type { ChosenConnection, FleetEvent, FleetReport, MigrationEvent, Outcome, TenantResult } from '@org/migrate-core';

import type { Invocation } from '../invocation.ts';
import { Heartbeat, type FleetProgress } from '../render/heartbeat.ts';
import { Progress } from '../render/progress.ts';
import { describe, describeWait } from '../render/story.ts';
import { duration, heading, plural, printable, printableText } from '../render/text.ts';
import { renderFailures } from './failures.ts';
import { aboutTenants } from './hint.ts';

/** More lines about waiting than that help nobody. */
const MOST_WAITS = 20;
/** Warnings that are told, and that are counted. */
const MOST_WARNINGS = 5;
const MOST_KINDS = 200;
/** Places of the migrations that are told; the others are counted. */
const MOST_LEFT = 10;
/** More names than a command has room for. */
const MOST_FIRST = 10;

export class FleetStory {
  readonly #invocation: Invocation;
  readonly #progress: Progress;
  readonly #heartbeat = new Heartbeat();
  readonly #total: number;
  readonly #direction: 'up' | 'down';
  readonly #flags: string;
  /** When the first one was done: what comes before it, such as reading the files, is no part of the rate. */
  #firstAt = 0;
  #done = 0;
  #failed = 0;
  /** Those that were visited: the others are told from together, and say nothing about the rate. */
  #visited = 0;
  readonly #waits = new Set<string>();
  #leftAsItIs = 0;
  /** By what is said: how many tenants have it, and who the first of them are. */
  readonly #warnings = new Map<string, { count: number; readonly first: string[] }>();
  /** Whether there was any migration for the tenants that were visited. */
  foundNone = false;

  /** @param flags What the command line named the tenants with, besides `--tenant`. */
  constructor(invocation: Invocation, total: number, direction: 'up' | 'down', flags: string) {
    this.#flags = flags;
    this.#direction = direction;
    this.#invocation = invocation;
    this.#total = total;
    this.#progress = new Progress(invocation.output.live, invocation.signal);
  }

  connected(service: string, connection: ChosenConnection): void {
    const { output } = this.#invocation;
    output.line(heading(service, connection, output.colours));
    output.line(`  ${plural(this.#total, 'tenant')} to ${this.#direction === 'up' ? 'bring up to date' : 'look at'}`);
    this.#progress.follow(() => this.#now());
    this.#heartbeat.start(output, this.#invocation.options.json === true ? 'json' : 'text', () => this.#known());
  }

  hear(event: FleetEvent): void {
    if (event.type === 'tenant') return this.#hearTenant(event.tenant, event.event);
    if (event.type === 'connectionLost') {
      const { colours } = this.#invocation.output;
      const what = event.reason === 'lost' ? 'the connection to the server was lost' : 'the server has no connection left';
      return this.#say(`  ${colours.yellow('…')} ${what}; it is tried again for up to ${duration(event.limitMs)}`);
    }
    if (event.type === 'fewConnections') {
      const { colours } = this.#invocation.output;
      return this.#say(`  ${colours.yellow('…')} the server has no connection left: fewer tenants at once, with those that are open`);
    }
    const { result, done } = event;
    this.#done = done;
    if (result.outcome !== 'upToDate' && result.outcome !== 'notRun') {
      if (this.#visited === 0) this.#firstAt = performance.now();
      this.#visited++;
    }
    if (result.outcome === 'failed' || result.outcome === 'interrupted') this.#failed++;
    if (this.#invocation.options.verbose === true) this.#say(this.#line(result));
  }

  /** Tenants per second. */
  #rate(): number {
    return ((this.#visited - 1) * 1_000) / (performance.now() - this.#firstAt);
  }

  #known(): FleetProgress {
    const left = this.#visited > 1 ? ((this.#total - this.#done) * 1_000) / this.#rate() : null;
    return { done: this.#done, total: this.#total, failed: this.#failed, left };
  }

  #now(): string {
    const rate = this.#rate();
    const left = this.#total - this.#done;
    const parts = [
      `${this.#done}/${this.#total} tenants`,
      ...(this.#failed > 0 ? [`${this.#failed} failed`] : []),
      ...(this.#visited > 1 ? [perSecond(rate), `about ${duration((left / rate) * 1_000)} left`] : []),
    ];
    return parts.join(', ');
  }

  #line({ tenant, outcome, applied, undone, durationMs }: TenantResult): string {
    const { colours } = this.#invocation.output;
    const mark: Readonly<Record<Outcome, string>> = {
      applied: colours.green('✓'),
      undone: colours.green('↶'),
      upToDate: colours.dim('-'),
      failed: colours.red('✗'),
      interrupted: colours.red('✗'),
      notRun: colours.yellow('·'),
    };
    const word: Partial<Record<Outcome, string>> = { upToDate: 'nothing to do', failed: 'failed', interrupted: 'stopped', notRun: 'not run' };
    const did = [
      ...(undone.length > 0 ? [`undone ${undone.join(', ')}`] : []),
      ...(applied.length > 0 ? [`applied ${applied.join(', ')}`] : []),
      ...(word[outcome] === undefined ? [] : [word[outcome]]),
    ];
    return `  ${mark[outcome]} ${printable(tenant)}  ${printable(did.join('; '))}${durationMs > 0 ? `  ${colours.dim(duration(durationMs))}` : ''}`;
  }

  /** What makes a run stand still is told as it happens. */
  #hearTenant(tenant: string, event: MigrationEvent): void {
    const { colours } = this.#invocation.output;
    const told = (text: string, key: string): void => {
      if (this.#waits.has(key) || this.#waits.size >= MOST_WAITS) return;
      this.#waits.add(key);
      this.#say(`  ${colours.yellow('…')} ${printable(tenant)}: ${text}`);
    };
    switch (event.type) {
      case 'waitingForLock':
        return told(`waiting for another migration run: ${event.holder === null ? 'who it is, is not known' : describe(event.holder)}`, tenant);
      case 'blocked':
        return told(describeWait(event), `${tenant} ${event.name}`);
      case 'retrying':
        // Who was in the way says more.
        if (this.#waits.has(`${tenant} ${event.name}`)) return;
        return told(`${printable(event.name)} lost against other sessions (${event.sqlState}), and is tried again`, `${tenant} ${event.name} again`);
      case 'planned':
        this.foundNone = event.found === 0;
        for (const { message } of event.warnings) this.#warn(message, tenant);
        return;
      case 'warning':
        return this.#left(`${event.name}: ${event.message}`);
      case 'notice':
        if (this.#invocation.options.verbose === true) this.#say(`  ${colours.cyan('i')} ${printable(tenant)}: ${printableText(event.message)}`);
        return;
      default:
        return;
    }
  }

  /** What became of all of them. */
  ended(report: FleetReport): void {
    this.broken();
    const { output, options, cwd } = this.#invocation;
    const { colours } = output;
    const { counts, total, failures, stopped, durationMs } = report;
    const extent = options.verbose === true ? 'all' : 'first';
    for (const line of renderFailures(failures, { colours, extent, cwd, flags: this.#flags, showData: options.showData })) output.log(line);
    // Whether they were migrated could not be learned: the server may have done it.
    const unknown = stopped === 'connection' ? failures.filter((one) => one.failed?.code === 'connection').length : 0;
    const visited = counts.applied + counts.undone + counts.failed + counts.interrupted;
    const parts = [
      ...(counts.applied > 0 ? [colours.green(`${counts.applied} applied`)] : []),
      ...(counts.undone > 0 ? [colours.green(`${counts.undone} undone`)] : []),
      ...(counts.upToDate > 0 ? [`${counts.upToDate} had nothing to do`] : []),
      ...(counts.failed > unknown ? [colours.red(`${counts.failed - unknown} failed`)] : []),
      ...(unknown > 0 ? [colours.red(`${unknown} unknown`)] : []),
      ...(counts.interrupted > 0 ? [colours.red(`${counts.interrupted} stopped half way`)] : []),
      ...(counts.notRun > 0 ? [colours.yellow(`${counts.notRun} ${stopped === 'connection' ? 'not begun' : 'not run'}`)] : []),
    ];
    const rate = visited >= 10 && durationMs > 0 ? `, ${perSecond((visited * 1_000) / durationMs)}` : '';
    const untold = options.verbose === true ? 0 : this.#leftAsItIs - MOST_LEFT;
    if (untold > 0) output.line(`  ${colours.yellow('!')} and ${plural(untold, 'more such place')}; --verbose tells all, and so does: migrate check`);
    for (const line of this.#warned()) output.line(`  ${colours.yellow('!')} ${line}`);
    if (failures.length > 0) output.line();
    output.line(`  ${plural(total, 'tenant')}: ${parts.join(', ')}, in ${duration(durationMs)}${rate}.`);
    // Where all were begun before, nothing was kept from anybody.
    const why = stopped === null || (stopped === 'canary' && counts.notRun === 0) ? null : WHY_STOPPED[stopped];
    if (why !== null) output.line(`  ${colours.yellow('!')} ${why}`);
    if (failures.length > 0 && stopped !== 'signal' && stopped !== 'connection' && this.#direction === 'up')
      output.line(`  ${colours.cyan('→')} when that is put right, run the same again: it touches only the tenants that are not done`);
  }

  /** Of all tenants alike, and told by the first of them. */
  #left(message: string): void {
    const { output, options } = this.#invocation;
    if (++this.#leftAsItIs > MOST_LEFT && options.verbose !== true) return;
    this.#say(`  ${output.colours.yellow('!')} ${printableText(message)}`);
  }

  #warn(message: string, tenant: string): void {
    const known = this.#warnings.get(message) ?? { count: 0, first: [] };
    if (known.count === 0 && this.#warnings.size >= MOST_KINDS) return;
    known.count++;
    if (known.first.length < MOST_FIRST) known.first.push(tenant);
    this.#warnings.set(message, known);
  }

  /** What stands in nobody's way, and may come from the wrong folder: those that most tenants have first. */
  #warned(): string[] {
    const warnings = [...this.#warnings].toSorted(([, a], [, b]) => b.count - a.count);
    const told = this.#invocation.options.verbose === true ? warnings : warnings.slice(0, MOST_WARNINGS);
    const lines = told.map(([message, { count, first }]) => `${plural(count, 'tenant')}: ${printableText(aboutTenants(message, first, this.#flags))}`);
    const rest = warnings.length - told.length;
    return rest === 0 ? lines : [...lines, `and ${plural(rest, 'more warning')}; --verbose tells all`];
  }

  broken(): void {
    this.#heartbeat.stop();
    this.#progress.clear();
  }

  #say(text: string): void {
    this.#progress.above(() => this.#invocation.output.line(text));
  }
}

const WHY_STOPPED: Readonly<Record<NonNullable<FleetReport['stopped']>, string>> = {
  canary: 'Among the first tenants (--canary) one failed, so the others were not begun.',
  maxFailures: 'As many failed as --max-failures allows, so no further tenant was begun.',
  connection:
    'The server was lost and did not come back. Look at those that are unknown with: migrate status. When it is back, run the same again: what is done is left alone.',
  signal: 'It was told to stop; what is not done is done by the next run.',
};

function perSecond(rate: number): string {
  return `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} tenants/s`;
}
