import { describe, expect, test } from 'vitest';

import { noDirectives, type Directives } from '../../src/migration.ts';
import { parseMilliseconds, readModuleDirectives, readSqlDirectives, strayDirectives } from '../../src/source/directives.ts';

function sql(text: string): Directives {
  const { directives, problems } = readSqlDirectives(text);
  expect(problems).toEqual([]);
  return directives;
}

function module(text: string): Directives {
  const { directives, problems } = readModuleDirectives(text);
  expect(problems).toEqual([]);
  return directives;
}

describe('directives of an SQL file', () => {
  test.each<[string, Partial<Directives>]>([
    ['-- migrate: transaction=none', { transaction: 'none' }],
    ['-- migrate: transaction=per-migration', {}],
    ['-- migrate: requires=user@0003', { requires: [{ service: 'user', version: '0003' }] }],
    [
      '-- migrate: requires=user@0003,patient@0001_init',
      {
        requires: [
          { service: 'user', version: '0003' },
          { service: 'patient', version: '0001_init' },
        ],
      },
    ],
    [
      '-- migrate: requires=user@3\n-- migrate: requires=patient@1',
      {
        requires: [
          { service: 'user', version: '3' },
          { service: 'patient', version: '1' },
        ],
      },
    ],
    ['-- migrate: lock-timeout=2s', { lockTimeoutMs: 2_000 }],
    ['-- migrate: statement-timeout=5min lock-timeout=0', { statementTimeoutMs: 300_000, lockTimeoutMs: 0 }],
    ['-- migrate: description=Adds a phone = more than one', { description: 'Adds a phone = more than one' }],
    ['-- migrate: description="Adds \\"it\\"" transaction=none', { description: 'Adds "it"', transaction: 'none' }],
    ['-- migrate: down=lossless', { down: 'lossless' }],
    ['-- migrate: parse=off', { parse: 'off' }],
    ['--migrate:transaction=none\r\nSELECT 1;', { transaction: 'none' }],
    ['-- MIGRATE: transaction=none', { transaction: 'none' }],
    ['/* why */\n-- more\n\n-- Up Migration\n-- migrate: transaction=none\nSELECT 1;', { transaction: 'none' }],
    ["SELECT '\n-- migrate: transaction=none\n';", {}],
    ['/* -- migrate: transaction=none */ SELECT 1;', {}],
    ['-- we migrate: everything', {}],
    ['-- Migrate: mark the old ones\nSELECT 1;\n-- Migrate: set note = other_note\nSELECT 2;', {}],
    ['', {}],
  ])('%j', (text, expected) => {
    expect(sql(text)).toEqual({ ...noDirectives, ...expected });
  });

  test.each([
    ['-- migrate: transactoin=none', /^unknown directive "transactoin" \(did you mean transaction\?\): the directives are transaction, requires/],
    ['-- migrate: lock_timeout=2s', /did you mean lock-timeout\?/],
    ['-- migrate: colour=red', /^unknown directive "colour": the directives are/],
    ['-- migrate: constructor=x', /^unknown directive "constructor"/],
    ['-- migrate: transaction=off', /must be none or per-migration/],
    ['-- migrate: transaction', /^"transaction" is no directive: it says key=value/],
    ['-- migrate: no transaction', /^"no transaction" is no directive/],
    ['-- migrate: no-transaction', /^"no-transaction" is no directive/],
    ['-- migrate:', /a directive says key=value/],
    ['-- migrate: requires=user', /must be service@version/],
    ['-- migrate: requires=user@', /must be service@version/],
    ['-- migrate: lock-timeout=2', /must be a duration such as 500ms/],
    ['-- migrate: lock-timeout=-2s', /must be a duration/],
    ['-- migrate: statement-timeout=1000h', /must be a duration/],
    ['-- migrate: down=yes', /must be lossless/],
    ['-- migrate: parse=no', /must be on or off/],
    ['-- migrate: down=lossless\n-- migrate: down=lossless', /the directive down is given twice/],
    ['-- migrate:up\nSELECT 1;', /dbmate's format: use "-- Up Migration"/],
    ['-- +goose Up\nSELECT 1;', /goose's format/],
    ['-- +migrate Up\nSELECT 1;', /sql-migrate's format/],
    ['SELECT 1;\n-- migrate: transaction=none', /stands below the first statement, where it has no effect/],
    ['SELECT 1;\n-- Down Migration\n-- migrate: transaction=none\nSELECT 2;', /stands below the first statement/],
  ])('%j is a problem', (text, message) => {
    const { problems } = readSqlDirectives(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toMatch(message);
  });

  test('have their problems told together, each with its place', () => {
    const text = '-- a\n-- migrate: transactoin=none down=yes\n-- migrate: parse=no\nSELECT 1;';
    expect(readSqlDirectives(text).problems.map((one) => text.slice(one.start, one.start + 15))).toEqual([
      '-- migrate: tra',
      '-- migrate: tra',
      '-- migrate: par',
    ]);
  });

  test('have no effect in a file that is only a down, and it says so', () => {
    expect(strayDirectives("SELECT '-- migrate: x';\n-- a comment")).toEqual([]);
    expect(strayDirectives('-- migrate: transaction=none\nSELECT 1;')).toEqual([
      { start: 0, message: expect.stringMatching(/directives stand at the top of the up/) as string },
    ]);
  });
});

describe('directives of a module', () => {
  test.each<[string, Partial<Directives>]>([
    ["export const migrate = { transaction: 'none' };", { transaction: 'none' }],
    ['export const migrate: Directives = { "lock-timeout": "2s", statementTimeout: `5min`, };', { lockTimeoutMs: 2_000, statementTimeoutMs: 300_000 }],
    [
      'exports.migrate = { requires: [\'user@0003\', "patient@1"] }',
      {
        requires: [
          { service: 'user', version: '0003' },
          { service: 'patient', version: '1' },
        ],
      },
    ],
    ["module.exports.migrate = { requires: 'user@0003' }", { requires: [{ service: 'user', version: '0003' }] }],
    [
      "export const migrate = {\n  // it's the index\n  transaction: 'none', // why\n  /* and {so} on */\n  description: 'It\\'s \"one\"',\n} as const;",
      { transaction: 'none', description: 'It\'s "one"' },
    ],
    ["export const migrate = { description: 'see https://example.org // not a comment' };", { description: 'see https://example.org // not a comment' }],
    ['export const migrate = {};', {}],
    ["// export const migrate = { transaction: 'none' };", {}],
    ['export const migrated = { x: 1 };\nexport function up() {}', {}],
  ])('%j', (text, expected) => {
    expect(module(text)).toEqual({ ...noDirectives, ...expected });
  });

  test.each([
    ["export const migrate = { transactoin: 'none' };", /unknown directive "transactoin" \(did you mean transaction\?\)/],
    ['export const migrate = { requirs: [] };', /unknown directive "requirs" \(did you mean requires\?\)/],
    ['export const migrate = { transaction: false };', /cannot read this directive: transaction: false/],
    ['export const migrate = { transaction };', /cannot read this directive/],
    ['export const migrate = { ...shared };', /cannot read this directive/],
    ['export const migrate = shared;', /are written out/],
    ['export const migrate = { description: `${x}` };', /are written out|cannot read/],
    ["export const migrate = { down: 'lossless', down: 'lossless' };", /given twice/],
  ])('%j is a problem', (text, message) => {
    const { problems } = readModuleDirectives(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toMatch(message);
  });
});

test.each([
  ['0', 0],
  ['500ms', 500],
  ['1.5s', 1_500],
  ['2m', 120_000],
  ['2min', 120_000],
  ['1h', 3_600_000],
  ['2147483647ms', 2_147_483_647],
  ['2147483648ms', null],
  ['5', null],
  ['s', null],
  ['1d', null],
  ['', null],
])('the duration %j is %j milliseconds', (text, milliseconds) => {
  expect(parseMilliseconds(text)).toBe(milliseconds);
});
