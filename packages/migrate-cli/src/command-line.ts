/** Help, and every way of writing a command line; what cannot be understood gets a paragraph. Built on commander. */

import { readFile } from 'node:fs/promises';

import { MigrationError } from '@org/migrate-core';
import { Command, CommanderError, Option } from 'commander';

import { commands, groups, type CommandEntry, type CommandGroup, type CommandModule } from './commands.ts';
import { nearestWord } from './nearest-word.ts';
import { optionDefinitions, type OptionName } from './options.ts';
import { flagsOf, joinTexts, optionsOf, type CommandLine } from './plain-words.ts';

/** `null` when help was asked for and printed. Throws `invalidOptions` for what cannot be understood. */
export async function parseCommand(entry: CommandEntry, module: CommandModule, words: readonly string[]): Promise<CommandLine | null> {
  const command = build(entry, module);
  try {
    command.parse([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return null;
    throw complaint(error, entry, module);
  }
  const values: Readonly<Record<string, string | boolean | undefined>> = command.opts();
  const texts = new Map<OptionName, string | boolean>();
  for (const name of module.options) {
    const value = values[name];
    // A `--no-` switch that was not typed has a value all the same.
    if (value !== undefined && !(name === 'color' && value === true)) texts.set(name, value);
  }
  return { options: optionsOf(texts), argument: command.args[0] ?? null, words: command.args };
}

function build(entry: CommandEntry, module: CommandModule): Command {
  const command = new Command(`migrate ${entry.name}`)
    .description(`${sentence(entry.summary)}${module.help === undefined ? '' : `\n\n${module.help}`}`)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .helpOption('-h, --help', 'this text')
    .allowExcessArguments(false);
  const { argument } = module;
  if (argument !== undefined) {
    const name = `${argument.name}${argument.count === 'several' ? '...' : ''}`;
    command.argument(argument.need === 'required' ? `<${name}>` : `[${name}]`, argument.description);
  }
  for (const name of module.options) command.addOption(optionOf(name));
  const width = Math.max(...module.examples.map(([line]) => line.length));
  command.addHelpText('after', `\nExamples:\n${module.examples.map(([line, purpose]) => `  ${line.padEnd(width)}  # ${purpose}`).join('\n')}`);
  return command;
}

function optionOf(name: OptionName): Option {
  const { flags, description } = optionDefinitions[name];
  return new Option(flags, description).argParser((text: string, before: string | undefined) => joinTexts(name, before, text));
}

function complaint(error: CommanderError, entry: CommandEntry, module: CommandModule): MigrationError {
  const help = `migrate ${entry.name} --help shows what there is`;
  const fail = (message: string, hint = help): MigrationError => new MigrationError({ code: 'invalidOptions', message, hint });
  // Up to its value: a mistyped --password must not be shown with what it is.
  const quoted = (/'([^']*)'/.exec(error.message)?.[1] ?? '').replace(/^(--[^=\s]+)=[^]*$/, '$1');
  switch (error.code) {
    case 'commander.unknownOption': {
      const near = nearestWord(quoted, module.options.map(longFlag));
      if (near !== null) return fail(`migrate ${entry.name} has no option ${quoted}. Did you mean ${near}?`);
      const known = Object.keys(optionDefinitions).some((name) => longFlag(name as OptionName) === quoted);
      return fail(`migrate ${entry.name} has no option ${quoted}${known ? '; it belongs to other commands' : ''}.`);
    }
    case 'commander.optionMissingArgument':
      return fail(`${quoted.split(/[ ,]+/).findLast((word) => word.startsWith('--')) ?? quoted} needs a value.`);
    case 'commander.missingArgument':
      return fail(`migrate ${entry.name} needs ${article(module.argument?.name ?? quoted)}: ${module.argument?.description ?? ''}.`);
    case 'commander.excessArguments':
      return fail(
        `migrate ${entry.name} takes ${module.argument === undefined ? 'no word' : `one ${module.argument.name}`} of its own, only options behind it.`,
      );
    default:
      return fail(error.message.replace(/^error: /, ''));
  }
}

function longFlag(name: OptionName): string {
  return flagsOf(name).find((flag) => flag.startsWith('--')) ?? '';
}

/** @param group Whose command it should have been; `null` for the program's. */
export function unknownCommand(word: string, group: CommandGroup | null): MigrationError {
  const known = group === null ? [...commands, ...groups] : group.commands;
  const near = nearestWord(
    word,
    known.map((one) => one.name.split(' ').at(-1) ?? ''),
  );
  const before = group === null ? '' : `${group.name} `;
  return new MigrationError({
    code: 'invalidOptions',
    message: `There is no command "${before}${word}".${near === null ? '' : ` Did you mean ${before}${near}?`}`,
    hint: `migrate ${before}--help lists them`,
  });
}

export function groupHelp({ name, summary, commands: entries }: CommandGroup): string {
  const command = new Command(`migrate ${name}`)
    .usage('<command> [options]')
    .description(sentence(summary))
    .helpOption('-h, --help', 'this text')
    .helpCommand(false)
    .addHelpText('after', `\nmigrate ${name} <command> --help tells the rest.`);
  for (const entry of entries) command.command(entry.name.split(' ').at(-1) ?? '').description(entry.summary);
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) }).outputHelp();
  return text;
}

export function programHelp(): string {
  const all = [...commands, ...groups];
  const width = Math.max(...all.map((one) => one.name.length));
  return `Usage: migrate <command> [options]

Versioned migrations for PostgreSQL. At the root of a workspace: every service; inside a service's folder: that one;
with --dir and --url: any folder and any server.

Commands:
${all.map((one) => `  ${one.name.padEnd(width)}  ${one.summary}`).join('\n')}

Examples:
  migrate up                                       # apply what is pending, everywhere
  migrate status --service user,patient            # a table of these two
  migrate up --dir ./migrations --url postgres://… # no configuration at all

migrate <command> --help tells the rest. Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 pending (--exit-code),
4 some tenants failed, 5 gave up waiting, 130 and 143 stopped by a signal.
`;
}

export async function version(): Promise<string> {
  return (JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function article(noun: string): string {
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}
