/** Processor time of this process, of the commands it ran, and of a PostgreSQL server. Read from /proc: elsewhere `null`. */

import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts in hundredths of a second on every machine that Node.js runs on. */
const TICKS_PER_SECOND = 100;

interface Times {
  readonly parent: number;
  readonly own: number;
  /** Of those that ended and were waited for. */
  readonly children: number;
}

/** Seconds that commands of this process have used, once they have ended. */
export function commandSeconds(): number | null {
  return timesOf(process.pid)?.children ?? null;
}

/** Seconds of a server's postmaster and all its processes, the living and those that ended. */
export function serverSeconds(postmaster: number): number | null {
  const own = timesOf(postmaster);
  if (own === null) return null;
  const living = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => timesOf(Number(name)));
  return own.own + own.children + living.filter((one) => one?.parent === postmaster).reduce((sum, one) => sum + (one?.own ?? 0), 0);
}

function timesOf(pid: number): Times | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The command's name, in parentheses, may hold spaces.
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [parent = 0, user = 0, system = 0, childUser = 0, childSystem = 0] = [1, 11, 12, 13, 14].map((index) => fields[index]);
  return { parent, own: (user + system) / TICKS_PER_SECOND, children: (childUser + childSystem) / TICKS_PER_SECOND };
}
