/** The program: what was typed, to a command, to an exit code. The only file that knows the process. */

import { setTimeout as sleep } from 'node:timers/promises';

import { MigrationError } from '@org/migrate-core';

import { commands, groups, type CommandEntry, type CommandGroup } from './commands.ts';
import { exit, exitCodeOf, type ExitCode, type StopSignal } from './exit.ts';
import type { Invocation, Output } from './invocation.ts';
import { located } from './located.ts';
import { optionDefinitions, type Options } from './options.ts';
import { readPlainWords } from './plain-words.ts';
import { chooseColours } from './render/colour.ts';

/** Runs one command line, without the program's own name. Never rejects; the exit code is for the caller to set. */
export async function main(argv: readonly string[]): Promise<ExitCode> {
  let unwritten: NodeJS.ErrnoException | null = null;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // `migrate log | head`: a reader that goes away is no error. A full disk is one, but none that ends a migration half way: it is told at the end.
    if (error.code !== 'EPIPE') unwritten ??= error;
  });
  // Nobody is left who could be told; the exit code tells how it went.
  process.stderr.on('error', () => undefined);
  const code = await runCommand(argv);
  // A file is written at once, and its error comes after that.
  await new Promise((resolve) => setImmediate(resolve));
  return unwritten === null ? code : complainOf(unwritten, code);
}

function complainOf({ message }: NodeJS.ErrnoException, code: ExitCode): ExitCode {
  const otherwise = code === exit.done || code === exit.pending;
  process.stderr.write(
    `Standard output cannot be written (${message}): what was to be said there is lost${otherwise ? ', and what was to be done is done' : ''}.\n`,
  );
  return otherwise ? exit.failed : code;
}

async function runCommand(argv: readonly string[]): Promise<ExitCode> {
  silenceTypelessPackages();
  const stop = listenForSignals();
  let options: Options = argv.includes('--json') ? { json: true } : {};
  let output = await openOutput({ ...options, color: !argv.includes('--no-color') });
  try {
    const found = findCommand(argv);
    if (found === null) return await helpOrComplaint(argv);
    if (found.entry === null) return await helpOrComplaintOf(found.group, found.words);
    const { entry, words } = found;
    const loaded = await entry.load();
    const parsed = readPlainWords(loaded.command, words) ?? (await (await import('./command-line.ts')).parseCommand(entry, loaded.command, words));
    if (parsed === null) return exit.done;
    ({ options } = parsed);
    output = await openOutput(options);
    if (options.json === true) keepStandardOutput();
    const invocation: Invocation = {
      options,
      argument: parsed.argument,
      words: parsed.words,
      cwd: workingFolder(),
      // As it was: configurations are shown more.
      environment: { ...process.env },
      output,
      signal: stop.signal,
      stoppedBy: stop.by,
      ask: (question) => ask(question, options, stop.signal),
    };
    return await loaded.command.run(invocation);
  } catch (thrown) {
    const { toMigrationError } = await import('./connect-error.ts');
    const error = toMigrationError(thrown);
    const { renderError, styleOf } = await import('./render/error.ts');
    if (options.json === true) {
      const { errorDocument } = await import('./render/document.ts');
      output.document(errorDocument(error));
    }
    output.log(renderError(error, styleOf({ output, options, cwd: folderOr('/') })));
    return exitCodeOf(error, 'up', stop.by());
  } finally {
    await stop.close();
    // What a server that does not answer keeps open must not keep the process after it was told to end.
    if (stop.by() !== null) setTimeout(() => process.exit(), 500).unref();
  }
}

/** A deploy may have replaced the folder under a shell that still stands in it. */
function workingFolder(): string {
  const cwd = folderOr(null);
  if (cwd !== null) return cwd;
  throw new MigrationError({
    code: 'invalidOptions',
    message: 'The folder in which this was started is not there any more.',
    hint: 'cd "$PWD", or to another folder, then again',
  });
}

function folderOr<Otherwise>(otherwise: Otherwise): string | Otherwise {
  try {
    return process.cwd();
  } catch {
    return otherwise;
  }
}

type Found =
  /** `words`: what else was typed. */
  | { readonly entry: CommandEntry; readonly words: readonly string[] }
  /** A group without one of its commands. */
  | { readonly entry: null; readonly group: CommandGroup; readonly words: readonly string[] };

/** The first word that is no option's value; where it names a group, the next one as well. */
function findCommand(argv: readonly string[]): Found | null {
  const at = nextWord(argv, 0);
  if (at === null) return null;
  const words = argv.toSpliced(at, 1);
  const name = argv[at] ?? '';
  const entry = commands.find((one) => one.name === name);
  if (entry !== undefined) return { entry, words };
  const group = groups.find((one) => one.name === name);
  if (group === undefined) return null;
  const second = nextWord(words, at);
  const inner = second === null ? undefined : group.commands.find((one) => one.name === `${name} ${words[second] ?? ''}`);
  return inner === undefined || second === null ? { entry: null, group, words } : { entry: inner, words: words.toSpliced(second, 1) };
}

function nextWord(argv: readonly string[], from: number): number | null {
  for (let index = from; index < argv.length; index++) {
    const word = argv[index] ?? '';
    if (word === '--') return null;
    if (!word.startsWith('-') && !takesValue(argv[index - 1])) return index;
  }
  return null;
}

function takesValue(word: string | undefined): boolean {
  if (word === undefined || !word.startsWith('-') || word.includes('=')) return false;
  const definition = Object.values(optionDefinitions).find((one) => one.flags.split(/[ ,]+/).includes(word));
  return definition?.flags.includes('<') === true;
}

async function helpOrComplaint(argv: readonly string[]): Promise<ExitCode> {
  const { programHelp, unknownCommand, version } = await import('./command-line.ts');
  if (argv.includes('--version') || argv.includes('-V')) {
    process.stdout.write(`${await version()}\n`);
    return exit.done;
  }
  const words = argv.filter((word, index) => !word.startsWith('-') && !takesValue(argv[index - 1]));
  const [word, ...about] = words;
  if (word === 'help' && about.length > 0) return runCommand([...about, '--help']);
  if (word !== undefined && word !== 'help') throw unknownCommand(word, null);
  const asked = word === 'help' || argv.includes('--help') || argv.includes('-h');
  if (!asked && argv.length > 0) throw new MigrationError({ code: 'invalidOptions', message: 'No command was given.', hint: 'migrate --help lists them' });
  // Nothing typed at all is a question too, but a script that lost its command should notice.
  (asked ? process.stdout : process.stderr).write(programHelp());
  return asked ? exit.done : exit.usage;
}

async function helpOrComplaintOf(group: CommandGroup, words: readonly string[]): Promise<ExitCode> {
  const { groupHelp, unknownCommand } = await import('./command-line.ts');
  const at = nextWord(words, 0);
  if (at !== null) throw unknownCommand(words[at] ?? '', group);
  const asked = words.includes('--help') || words.includes('-h');
  (asked ? process.stdout : process.stderr).write(groupHelp(group));
  return asked ? exit.done : exit.usage;
}

/**
 * Node.js advises the author of a TypeScript migration to change the package.json of a project that is none of ours, on every run. Every
 * other warning is shown.
 */
function silenceTypelessPackages(): void {
  const emit = process.emitWarning.bind(process) as (...given: unknown[]) => void;
  process.emitWarning = (...given: unknown[]): void => {
    const [, second, third] = given;
    const code = typeof second === 'object' && second !== null ? (second as { code?: unknown }).code : third;
    if (code !== 'MODULE_TYPELESS_PACKAGE_JSON') emit(...given);
  };
}

const writeOut = process.stdout.write.bind(process.stdout) as (text: string) => boolean;

/** A migration is somebody's code and may print: with `--json` that goes where people read, for the rest of the process. */
function keepStandardOutput(): void {
  process.stdout.write = process.stderr.write.bind(process.stderr);
}

async function openOutput(options: Options): Promise<Output> {
  const people = options.json === true ? process.stderr : process.stdout;
  const colours = await chooseColours(people, options.color !== false, process.env);
  const live = people.isTTY === true && !process.env['CI'] && process.env['TERM'] !== 'dumb';
  return {
    document: (text) => void writeOut(`${text}\n`),
    piece: (text) => void writeOut(text),
    line: (text = '') => void people.write(`${text}\n`),
    log: (text) => void process.stderr.write(`${text}\n`),
    colours,
    located: (text, about) => located(text, options, about),
    live: live ? people : null,
  };
}

interface Stop {
  readonly signal: AbortSignal;
  readonly by: () => StopSignal | null;
  close(): Promise<void>;
}

/** A terminal, and whatever started us and passes signals on, may both send the one that a person meant. */
const SAME_SIGNAL_MS = 300;

/** Cancelling and cleaning up take a few seconds each; what takes longer waits for a server that does not answer, and would wait for ever. */
const STOP_LIMIT_MS = 30_000;

/** The first signal asks the engine to cancel and record; a later one leaves at once, and so does the limit. */
function listenForSignals(): Stop {
  const controller = new AbortController();
  let by: StopSignal | null = null;
  let since = 0;
  const listener = (signal: NodeJS.Signals): void => {
    if (by !== null) {
      if (performance.now() - since > SAME_SIGNAL_MS) process.exit(signal === 'SIGTERM' ? exit.terminated : exit.interrupted);
      return;
    }
    since = performance.now();
    by = signal === 'SIGTERM' ? 'SIGTERM' : 'SIGINT';
    // Takes away the line that is drawn again and again: it would take this one along.
    controller.abort(new MigrationError({ code: 'aborted', message: `stopped by ${signal}` }));
    process.stderr.write(`\n${signal}: cancelling what runs in the server and recording what was done …\n`);
    setTimeout(() => {
      process.stderr.write(
        '\n✗ the server does not answer: whether what was running is done is not known\n  → when it answers again, look with: migrate status; what is not done, the next run does\n',
      );
      process.exit(by === 'SIGTERM' ? exit.terminated : exit.interrupted);
    }, STOP_LIMIT_MS).unref();
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
  return {
    signal: controller.signal,
    by: () => by,
    close: async () => {
      // The same signal may be on its way a second time, and would kill, on its last steps, what has ended well.
      if (by !== null) return sleep(Math.max(0, SAME_SIGNAL_MS - (performance.now() - since)));
      process.off('SIGINT', listener);
      process.off('SIGTERM', listener);
    },
  };
}

async function ask(question: string, options: Options, signal: AbortSignal): Promise<boolean | null> {
  if (options.json === true || process.stdin.isTTY !== true || process.stderr.isTTY !== true) return null;
  const { createInterface } = await import('node:readline/promises');
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // At a terminal that asks, Ctrl-C is a key and not a signal, and Ctrl-D ends the reading without an answer.
    reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    const closed = new Promise<string>((resolve) => reader.once('close', () => resolve('')));
    const answer = await Promise.race([reader.question(`${question} [y/N] `, { signal }), closed]);
    signal.throwIfAborted();
    return /^\s*y(es)?\s*$/i.test(answer);
  } finally {
    reader.close();
  }
}
