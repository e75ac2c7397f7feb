/** What a command is given: everything from outside the process goes through here. */

import type { Environment } from '@org/migrate-core';

import type { StopSignal } from './exit.ts';
import type { About } from './located.ts';
import type { Options } from './options.ts';
import type { Colours } from './render/colour.ts';

/** Where people and programs read. */
export interface Output {
  /** Standard output: the document with `--json`, the story without. */
  document(text: string): void;
  /** A part of the document, as it is: for one that is too long to be kept until its end. */
  piece(text: string): void;
  /** A line for people: standard output, or standard error with `--json`. */
  line(text?: string): void;
  /** A line on standard error. */
  log(text: string): void;
  readonly colours: Colours;
  /** A text with the commands that it names, for the folder and the server that were typed, and for the service that it is about. */
  located(text: string, about?: About): string;
  /** Of the stream that `line` writes to, when it is a terminal whose lines may be redrawn; `null` otherwise. */
  readonly live: NodeJS.WriteStream | null;
}

export interface Invocation {
  readonly options: Options;
  readonly argument: string | null;
  /** All of them, for a command that takes several. */
  readonly words: readonly string[];
  readonly cwd: string;
  readonly environment: Environment;
  readonly output: Output;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  readonly stoppedBy: () => StopSignal | null;
  /** A yes or no from the person at the terminal; `null` when there is none to ask. */
  ask(question: string): Promise<boolean | null>;
}
