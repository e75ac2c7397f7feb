import { describe, expect, test } from 'vitest';
import { placeArguments, readArguments, withAbsoluteFiles } from '../src/arguments.ts';

describe('what was typed after pnpm migrate', () => {
  test.each([
    ['nothing means every service', [], { kind: 'tasks', filters: [], up: [] }],
    ['a filter is for turbo', ['--filter', 'patient'], { kind: 'tasks', filters: ['patient'], up: [] }],
    [
      'a filter may be written in each of turbo’s ways, and more than once',
      ['-F', 'user', '--filter=patient', '-F=x'],
      { kind: 'tasks', filters: ['user', 'patient', 'x'], up: [] },
    ],
    [
      'the rest is for migrate up, in its order',
      ['--wait', '30s', '--filter', 'user', '--atomic'],
      { kind: 'tasks', filters: ['user'], up: ['--wait', '30s', '--atomic'] },
    ],
    ['a separator changes nothing', ['--', '--wait', '30s'], { kind: 'tasks', filters: [], up: ['--wait', '30s'] }],
    ['services by name are for the command line', ['--service', 'user,patient'], { kind: 'commandLine', filters: [], up: ['--service', 'user,patient'] }],
    [
      'one document is asked of the command line, for what the filter finds',
      ['--json', '-F', 'patient'],
      { kind: 'commandLine', filters: ['patient'], up: ['--json'] },
    ],
    ['so is one plan', ['--dry-run'], { kind: 'commandLine', filters: [], up: ['--dry-run'] }],
    [
      'what is about tenants is for the command line, which knows whose they are',
      ['--tenant=clinic_a', '--canary', '1'],
      { kind: 'commandLine', filters: [], up: ['--tenant=clinic_a', '--canary', '1'] },
    ],
    ['help is help wherever it stands', ['--filter', 'user', '-h'], { kind: 'help' }],
  ])('%s', (_, args, expected) => {
    expect(readArguments(args)).toEqual(expected);
  });

  test.each([[['--filter']], [['--filter', '--json']], [['--filter=']], [['--filter', 'a', '--service', 'b']]])('%j is refused', (args) => {
    expect(readArguments(args)).toMatchObject({ kind: 'usageError' });
  });

  test('a file is the one that was meant where it was typed', () => {
    expect(withAbsoluteFiles(['--env-file', '.env.ci', '--env-file=/etc/env', '--to', '.env'], '/clinic')).toEqual([
      '--env-file',
      '/clinic/.env.ci',
      '--env-file=/etc/env',
      '--to',
      '.env',
    ]);
  });

  test('the table at the end is asked at the same place as the migrations', () => {
    const up = ['--atomic', '--url', 'postgres://db/one', '--to', '0003', '--schema=clinic', '--wait', '5s', '--service', 'user'];
    expect(placeArguments(up)).toEqual(['--url', 'postgres://db/one', '--schema=clinic', '--service', 'user']);
  });
});
