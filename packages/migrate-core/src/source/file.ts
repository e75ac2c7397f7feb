/** Reading the files of a source, with errors that say what to do. */

import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

import { MigrationError } from '../errors.ts';
import { decode } from './checksum.ts';

/** A file that cannot be read: a problem of its migration, not of the whole run. */
export class Unreadable extends Error {}

/**
 * At once, in this very turn of the event loop: a hundred small files take 2 ms so, and 20 ms by the thread pool. Whoever reads many lets the loop turn in
 * between.
 */
export function readText(file: string): string {
  let bytes;
  try {
    bytes = readBytes(file);
  } catch (error) {
    throw new Unreadable(`${file} cannot be read: ${reasonOf(error)}`);
  }
  const { text, problem } = decode(bytes);
  if (problem !== null) throw new Unreadable(`${file}: ${problem}`);
  return text;
}

function readBytes(file: string): Uint8Array {
  // Opening a pipe would wait for somebody to write into it.
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(descriptor);
    if (found.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    if (!found.isFile()) throw new Error('it is a pipe, a socket or a device');
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
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
