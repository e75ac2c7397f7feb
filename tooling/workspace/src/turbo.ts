/** `turbo run migrate`, with turbo's own talk left out: what is read is what the migrations say. */

import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { runProgram } from './process.ts';

export interface TaskRun {
  readonly code: number;
  /** Turbo's own errors, where no task ran: a filter that finds nothing, a package.json that does not parse. */
  readonly complaint: string;
  /** The services whose task began. */
  readonly begun: ReadonlySet<string>;
  /** The services whose task failed. */
  readonly failed: readonly string[];
}

/** One line of `turbo run --json`. */
interface TurboLine {
  /** `turbo`, or `patient#migrate`. */
  readonly source: string;
  readonly level: string;
  readonly text: string;
}

/** Runs the services' `migrate` tasks and gives each line they print to `onLine`, with its service. The exit code is the failed task's own. */
export async function runTasks(filters: readonly string[], args: readonly string[], onLine: (service: string, text: string) => void): Promise<TaskRun> {
  const complaints: string[] = [];
  const begun = new Set<string>();
  const failed = new Set<string>();
  const onTurboLine = ({ source, level, text }: TurboLine): void => {
    const [service, task] = source.split('#');
    // Of failed tasks turbo repeats the whole command, with whatever password was typed in it.
    if (source === 'turbo') readSummary(text).forEach((name) => failed.add(name));
    else if (service !== undefined && task !== undefined && level === 'stdout') {
      begun.add(service);
      if (!/^cache (?:bypass|miss|hit)\b/.test(text)) onLine(service, text);
    }
  };
  const { code } = await runTurbo(['migrate', '--json', ...filterFlags(filters), ...(args.length > 0 ? ['--', ...args] : [])], {
    stdout: (line) => {
      const parsed = readLine(line);
      if (parsed === null) complaints.push(line);
      else onTurboLine(parsed);
    },
    stderr: (line) => complaints.push(line),
  });
  return { code, complaint: code === 0 || failed.size > 0 ? '' : complaints.join('\n').trim(), begun, failed: [...failed] };
}

/** The services that the filters find and what they depend on, in the order in which they migrate. */
export async function findServices(
  filters: readonly string[],
): Promise<{ readonly services: readonly string[]; readonly complaint: string; readonly code: number }> {
  const out: string[] = [];
  const complaints: string[] = [];
  const { code } = await runTurbo(['migrate', '--dry=json', ...filterFlags(filters)], {
    stdout: (line) => out.push(line),
    stderr: (line) => complaints.push(line),
  });
  if (code !== 0) return { services: [], complaint: complaints.join('\n').trim(), code };
  const { tasks } = JSON.parse(out.join('\n')) as { tasks: readonly PlannedTask[] };
  return { services: inOrder(tasks.filter(({ task, command }) => task === 'migrate' && command !== '<NONEXISTENT>')), complaint: '', code };
}

interface PlannedTask {
  readonly taskId: string;
  readonly task: string;
  readonly package: string;
  readonly command: string;
  readonly dependencies: readonly string[];
}

/** Each after what it depends on; turbo prints them by name. Pure. */
export function inOrder(tasks: readonly Pick<PlannedTask, 'taskId' | 'package' | 'dependencies'>[]): string[] {
  const ordered = new Set<string>();
  const add = (task: (typeof tasks)[number]): void => {
    for (const id of task.dependencies) {
      const needed = tasks.find(({ taskId }) => taskId === id);
      if (needed !== undefined) add(needed);
    }
    ordered.add(task.package);
  };
  tasks.forEach(add);
  return [...ordered];
}

/** A line of the stream; null for one that is not of it. Pure. */
export function readLine(line: string): TurboLine | null {
  try {
    const { source, level, text } = JSON.parse(line) as Partial<TurboLine>;
    return typeof source === 'string' && typeof level === 'string' && typeof text === 'string' ? { source, level, text } : null;
  } catch {
    return null;
  }
}

/** The services in turbo's closing `Failed:    patient#migrate`. Pure. */
export function readSummary(text: string): string[] {
  const [, list] = /^Failed:\s+(.*)$/.exec(text) ?? [];
  return (list ?? '').split(/[,\s]+/).flatMap((id) => (id.endsWith('#migrate') ? [id.slice(0, -'#migrate'.length)] : []));
}

function filterFlags(filters: readonly string[]): string[] {
  return filters.map((filter) => `--filter=${filter}`);
}

async function runTurbo(
  args: readonly string[],
  on: { readonly stdout: (line: string) => void; readonly stderr: (line: string) => void },
): Promise<{ code: number }> {
  const finished: Promise<void>[] = [];
  const ended = await runProgram('turbo', ['run', '--ui=stream', '--no-color', ...args], {
    stdio: 'pipe',
    // Turbo takes a SIGINT to have reached its tasks from the terminal as well, and only waits; on a SIGTERM it sends each of them one SIGINT.
    stopWith: 'SIGTERM',
    onChild: (child) => {
      for (const name of ['stdout', 'stderr'] as const) finished.push(eachLine(child[name], on[name]));
    },
  });
  await Promise.all(finished);
  return ended;
}

async function eachLine(stream: Readable | null, on: (line: string) => void): Promise<void> {
  if (stream === null) return;
  for await (const line of createInterface({ input: stream })) on(line);
}
