/** A source made in code, for tests that are not about files. */

import { createHash } from 'node:crypto';

import { noDirectives, parseName, type Directives, type MigrationSource } from '../../src/migration.ts';
import { compileSql } from '../../src/source/script.ts';

export interface WrittenMigration {
  readonly name: string;
  readonly up: string;
  /** Left out: it cannot be undone. */
  readonly down?: string;
  readonly directives?: Partial<Directives>;
}

export function sourceOf(...written: readonly WrittenMigration[]): MigrationSource {
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  return {
    label: 'a list',
    list: async () => ({
      migrations: written.map(({ name, up, down, directives }) => ({
        name,
        version: parseName(name).version,
        description: parseName(name).description,
        checksum: sha256(up),
        downChecksum: down === undefined ? null : sha256(down),
        directives: { ...noDirectives, ...directives },
        file: null,
      })),
      ignored: [],
      problems: [],
    }),
    compile: (names) =>
      Promise.all(
        names.map(async (name) => {
          const { up, down, directives } = written.find((one) => one.name === name) as WrittenMigration;
          const options = { transaction: directives?.transaction ?? 'per-migration', origin: null } as const;
          return {
            name,
            up: await compileSql(up, options),
            down: down === undefined ? null : await compileSql(down, options),
            irreversible: down === undefined ? `${name} has no down` : null,
          };
        }),
      ),
  };
}
