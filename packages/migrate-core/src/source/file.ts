/** Reading the files of a source, with errors that say what to do. */

import { readFile } from 'node:fs/promises';

import { MigrationError } from '../errors.ts';
import { decode } from './checksum.ts';

/** A file that cannot be read: a problem of its migration, not of the whole run. */
export class Unreadable extends Error {}

export async function readText(file: string): Promise<string> {
  let bytes;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new Unreadable(`${file} cannot be read: ${reasonOf(error)}`);
  }
  const { text, problem } = decode(bytes);
  if (problem !== null) throw new Unreadable(`${file}: ${problem}`);
  return text;
}

export function unreadable(path: string, error: unknown): MigrationError {
  return new MigrationError({
    code: 'invalidOptions',
    message: `${path} cannot be read: ${reasonOf(error)}`,
    hint: 'name the folder that holds the migrations',
    cause: error,
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  ENOTDIR: 'it is not a folder',
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ELOOP: 'its links lead in a circle',
};

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return REASONS[code ?? ''] ?? message ?? String(error);
}
