/** A process of its own that migrates: `up.ts FOLDER URL [down]`. Prints its report as JSON; exit 1 on failure. */

import { createMigrator, type MigrationError } from '../../src/index.ts';
import { directorySource } from '../../src/source/directory.ts';
import { connectTo } from './target.ts';

const [path = '', url = '', direction = 'up'] = process.argv.slice(2);
const migrator = createMigrator({ service: 'test', source: directorySource(path), connect: () => connectTo(url) });
try {
  const report = direction === 'down' ? await migrator.down({ steps: 100 }) : await migrator.up();
  process.stdout.write(JSON.stringify({ outcome: report.outcome, applied: report.applied.map((step) => step.name) }));
} catch (error) {
  process.exitCode = 1;
  const { code, message } = error as MigrationError;
  process.stdout.write(JSON.stringify({ outcome: 'error', code, message, applied: [] }));
}
