/**
 * One starter at a time, so that ten commands at once do not each run initdb. Only a courtesy: what keeps two from harming each other is that a new
 * data folder appears by one rename and that PostgreSQL locks the folder it runs on. So a killed starter, or a wrong guess here, costs
 * time and nothing else, and nobody waits for a time-out: the file names its process, and a process that is gone holds nothing.
 */

import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from './process.ts';

/** Milliseconds after which a living holder is not believed: its number may by now be another program's. */
const longest = 90_000;
/** Milliseconds in which the file may still be empty because its maker has only just made it. */
const writing = 2_000;

export async function oneStarterAtATime<T>(file: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [text, seen] = await Promise.all([readFile(file, 'utf8').catch(() => ''), stat(file).catch(() => null)]);
    if (seen === null) continue;
    const age = Date.now() - seen.mtimeMs;
    const held = text === '' ? age < writing : isAlive(Number(text)) && age < longest;
    if (held) await sleep(20 + Math.random() * 20);
    else await rm(file, { force: true });
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}
