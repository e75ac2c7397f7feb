/** What a new migration begins with. Pure. */

import type { Existing, Format } from './naming.ts';

export interface NewFile {
  /** Below the folder of migrations. */
  readonly path: string;
  readonly text: string;
}

const UP = '-- Runs in one transaction. A statement that cannot (CREATE INDEX CONCURRENTLY …) is found and runs by itself.\n';
const DOWN = '-- Takes back exactly what the up does.\n';

/** @param existing For a folder per migration: whether they hold `up.sql` or `migration.sql`. */
export function newFiles(name: string, format: Format, existing: readonly Existing[]): readonly NewFile[] {
  switch (format) {
    case 'sql':
      return [{ path: `${name}.sql`, text: `-- Up Migration\n${UP}\n\n-- Down Migration\n${DOWN}\n` }];
    case 'pair':
      return [
        { path: `${name}.up.sql`, text: `${UP}\n` },
        { path: `${name}.down.sql`, text: `${DOWN}\n` },
      ];
    case 'folder': {
      const dieselLike = existing.findLast(({ file }) => /[/\\](?:migration|up)\.sql$/i.test(file ?? ''))?.file?.endsWith('up.sql') === true;
      return [
        { path: `${name}/${dieselLike ? 'up' : 'migration'}.sql`, text: `${UP}\n` },
        { path: `${name}/${dieselLike ? 'down' : 'rollback'}.sql`, text: `${DOWN}\n` },
      ];
    }
    case 'ts':
      return [{ path: `${name}.ts`, text: MODULE }];
  }
}

const MODULE = `import type { MigrationBuilder } from 'node-pg-migrate';

export function up(pgm: MigrationBuilder): void {
  pgm.sql('');
}

/** Takes back exactly what the up does. */
export function down(pgm: MigrationBuilder): void {
  pgm.sql('');
}
`;
