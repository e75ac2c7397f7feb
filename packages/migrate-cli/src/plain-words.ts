/**
 * Reads a command line that is written plainly. Help, mistakes and rarer ways of writing go to `command-line.ts`, whose parser takes
 * longer to load than a run that finds nothing to do takes to run. Pure.
 */

import type { CommandModule } from './commands.ts';
import { BETWEEN, optionDefinitions, type OptionName, type Options } from './options.ts';

export interface CommandLine {
  readonly options: Options;
  /** The first of the words. */
  readonly argument: string | null;
  /** What is neither a command nor an option nor an option's value. */
  readonly words: readonly string[];
}

/** `null`: not plain. Throws `invalidOptions` for a value that cannot be what it should. */
export function readPlainWords(module: CommandModule, words: readonly string[]): CommandLine | null {
  const flags = new Map(module.options.flatMap((name) => flagsOf(name).map((flag) => [flag, name] as const)));
  const texts = new Map<OptionName, string | true>();
  const rest: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    if (!word.startsWith('-')) {
      rest.push(word);
      continue;
    }
    const equals = word.startsWith('--') ? word.indexOf('=') : -1;
    const flag = equals === -1 ? word : word.slice(0, equals);
    const name = flags.get(flag);
    if (name === undefined) return null;
    if (!optionDefinitions[name].flags.includes('<')) {
      if (equals !== -1) return null;
      texts.set(name, true);
      continue;
    }
    const value = equals === -1 ? words[++index] : word.slice(equals + 1);
    if (value === undefined || value === '' || value.startsWith('-')) return null;
    const before = texts.get(name);
    texts.set(name, joinTexts(name, before === true ? undefined : before, value));
  }
  const { argument } = module;
  const most = argument === undefined ? 0 : argument.count === 'several' ? Infinity : 1;
  if (rest.length > most || (argument?.need === 'required' && rest.length === 0)) return null;
  return { options: optionsOf(texts), argument: rest[0] ?? null, words: rest };
}

/** Texts to values. A switch has none; `--no-color` is the one that says no. */
export function optionsOf(texts: ReadonlyMap<OptionName, string | boolean>): Options {
  const options: Record<string, unknown> = {};
  for (const [name, text] of texts) {
    const { parse, flags } = optionDefinitions[name];
    options[name] = typeof text === 'string' ? (parse?.(text) ?? text) : !flags.startsWith('--no-');
  }
  return options;
}

/** A list may be given in parts, `--service a --service b`; of anything else the last one counts. */
export function joinTexts(name: OptionName, before: string | undefined, text: string): string {
  return before !== undefined && optionDefinitions[name].repeated === 'joined' ? `${before}${BETWEEN}${text}` : text;
}

/** `-s, --service <names>` → `-s`, `--service`. */
export function flagsOf(name: OptionName): string[] {
  return optionDefinitions[name].flags.split(/[ ,]+/).filter((word) => word.startsWith('-'));
}
