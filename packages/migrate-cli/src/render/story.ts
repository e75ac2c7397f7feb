/** The story of one service's run, told while it happens. */

import type { Blocker, ChosenConnection, EventListener, MigrationEvent, Report, SourceListing, WantedLock } from '@org/migrate-core';

import type { Invocation } from '../invocation.ts';
import type { Service } from '../service.ts';
import { shown } from '../workspace.ts';
import { Progress } from './progress.ts';
import { duration, fit, heading, plural, printable, printableText } from './text.ts';

export class Story {
  readonly #service: Service;
  readonly #invocation: Invocation;
  readonly #progress: Progress;
  /** Names in history order, before the run. */
  applied: readonly string[] = [];
  /** How many steps the run set out with. */
  planned = 0;
  #width = 0;
  #told = new Set<string>();
  /** Sent in one message: which of them runs just now, nobody here can tell. */
  #together: string[] = [];

  constructor(service: Service, invocation: Invocation) {
    this.#service = service;
    this.#invocation = invocation;
    this.#progress = new Progress(invocation.output.live, invocation.signal);
  }

  get listener(): EventListener {
    return (event) => this.#hear(event);
  }

  connected(connection: ChosenConnection): void {
    this.#say(heading(this.#service.name, connection, this.#invocation.output.colours));
  }

  listed({ ignored }: SourceListing): void {
    const { colours } = this.#invocation.output;
    for (const { path, reason } of ignored) this.#say(`  ${colours.yellow('!')} not a migration: ${printable(path)} (${printable(reason)})`);
  }

  #hear(event: MigrationEvent): void {
    const { colours } = this.#invocation.output;
    switch (event.type) {
      case 'planned':
        this.#planned(event);
        break;
      case 'started':
        this.#progress.show(`${event.direction === 'up' ? 'applying' : 'undoing'} ${printable(range(this.#sent(event.name)))}`);
        break;
      case 'statement':
        this.#progress.show(`${printable(event.name)}  statement ${event.index + 1} of ${event.count}: ${printable(event.summary)}`);
        break;
      case 'applied':
      case 'undone':
        this.#progress.idle();
        this.#say(
          `  ${colours.green(event.type === 'applied' ? '✓' : '↶')} ${printable(event.name).padEnd(this.#width)}  ${colours.dim(duration(event.durationMs))}`,
        );
        break;
      case 'waitingForLock': {
        const holder = event.holder === null ? 'another run' : describe(event.holder);
        this.#say(`  ${colours.yellow('…')} waiting for another migration run of these tables: ${holder}, ${duration(event.waitedMs)} so far`);
        break;
      }
      case 'blocked':
        this.#once(`  ${colours.yellow('…')} ${describeWait(event)}`, `${event.name} ${event.blockers.map(({ pid }) => pid).join()}`);
        break;
      case 'retrying':
        this.#say(
          `  ${colours.yellow('…')} ${printable(event.name)} lost against other sessions (${event.sqlState}); attempt ${event.attempt + 1} in ${duration(event.delayMs)}`,
        );
        break;
      case 'warning':
        this.#say(`  ${colours.yellow('!')} ${printableText(`${event.name}: ${event.message}`)}`);
        break;
      case 'notice':
        this.#say(`  ${colours.cyan('i')} ${printableText(event.name === null ? event.message : `${event.name}: ${event.message}`)}`);
        break;
      case 'failed':
        this.#progress.idle();
        this.#say(`  ${colours.red('✗')} ${printable(event.failure.name)}`);
        break;
    }
  }

  /** This one, with those that go in the same message: they are started in the same turn. */
  #sent(name: string): readonly string[] {
    if (this.#together.length === 0) setImmediate(() => (this.#together = []));
    this.#together.push(name);
    return this.#together;
  }

  #planned({ found, applied, steps, direction, warnings }: Extract<MigrationEvent, { type: 'planned' }>): void {
    const { output, options, cwd } = this.#invocation;
    const { colours } = output;
    this.applied = applied;
    this.planned = Math.max(this.planned, steps.length);
    this.#width = Math.max(0, ...steps.map((name) => printable(name).length));
    const where = this.#service.migrations === null ? this.#service.source.label : shown(this.#service.migrations, cwd);
    this.#say(`  ${plural(found, 'migration')} in ${printable(where)}, ${applied.length} applied, ${steps.length} to ${direction === 'up' ? 'apply' : 'undo'}`);
    if (direction === 'up' && applied.length > 0) {
      if (options.verbose === true) for (const name of applied) this.#say(colours.dim(`  - ${printable(name)}  skipped: applied already`));
      else this.#say(colours.dim(`  - skipped, applied already: ${printable(range(applied))}`));
    }
    for (const warning of warnings)
      this.#say(`  ${colours.yellow('!')} ${printableText(this.#invocation.output.located(warning.message, this.#service.about))}`);
  }

  /** The last lines, after a run without an error. */
  async ended(report: Report, current: string | null): Promise<void> {
    this.#progress.clear();
    const { colours } = this.#invocation.output;
    const { migrations } = await this.#service.source.list();
    if (migrations.length === 0) {
      const { emptyFolder } = await import('../empty-folder.ts');
      this.#say(`  ${await emptyFolder(this.#service.migrations, this.#invocation)}`);
      return;
    }
    const at = current === null ? 'nothing is applied any more' : `now at ${printable(current)}`;
    switch (report.outcome) {
      case 'upToDate':
        this.#say(
          `  ${colours.green('Nothing to do')}: ${current === null ? 'nothing is applied' : `${printable(this.#service.name)} is at ${printable(current)}`}.`,
        );
        break;
      default: {
        const counts = [
          ...(report.undone.length > 0 ? [`${plural(report.undone.length, 'migration')} undone`] : []),
          ...(report.applied.length > 0 ? [`${plural(report.applied.length, 'migration')} applied`] : []),
        ];
        this.#say(`  ${colours.green(counts.join(', '))} in ${duration(report.durationMs)}; ${at}.`);
      }
    }
  }

  broken(): void {
    this.#progress.clear();
  }

  /** What stands, after a run that failed. */
  reached(report: Report, current: string | null): void {
    const done = [
      ...(report.undone.length > 0 ? [`${report.undone.length} undone`] : []),
      ...(report.applied.length > 0 ? [`${report.applied.length} applied`] : []),
      ...(report.unknown.length > 0 ? [`${report.unknown.length} not known (${printable(range(report.unknown))})`] : []),
      ...(report.notRun.length > 0 ? [`${report.notRun.length} not run`] : []),
    ];
    if (done.length === 0) return;
    // Where it stands, nobody can say either.
    if (report.unknown.length > 0) this.#say(`  ${done.join(', ')}.`);
    else this.#say(`  ${done.join(', ')}; ${current === null ? 'nothing is applied' : `now at ${printable(current)}`}.`);
  }

  #once(text: string, key: string): void {
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#say(text);
  }

  #say(text: string): void {
    this.#progress.above(() => this.#invocation.output.line(text));
  }
}

/** `0001 … 0007` would hide which; a handful is named, more are counted. */
function range(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names[0]} … ${names.at(-1)} (${names.length})`;
}

/** What a migration waits for, and whom. */
export function describeWait({ name, lock, blockers }: Extract<MigrationEvent, { type: 'blocked' }>): string {
  return `${printable(name)} waits for a lock ${lock === null ? '' : `on ${printable(lock.on)} `}held by ${blockers.map((one) => describe(one)).join('; ') || 'another session'}`;
}

/** One session, for people, with the lock that it waits for. Its query comes without literals. */
export function describe(one: Blocker, wants: WantedLock | null = null): string {
  const parts = [
    one.user,
    one.application === '' ? null : one.application,
    one.state,
    one.ageMs === null ? null : `for ${duration(one.ageMs)}`,
    wants === null ? null : `wants ${wants.mode} on ${wants.on}`,
  ].filter((part) => part !== null);
  return printable(`pid ${one.pid} (${parts.join(', ')})${one.query === '' ? '' : `: ${fit(one.query, 100)}`}`);
}
