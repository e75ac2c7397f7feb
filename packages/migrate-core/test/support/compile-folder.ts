/** A program: compiles the folder of its argument and prints what it found. In a process of its own, modules are loaded by Node and not by the test runner. */

import { directorySource } from '../../src/source/directory.ts';

const source = directorySource(process.argv[2] as string);
const { migrations, ignored, problems } = await source.list();
const compiled: Record<string, unknown> = {};
for (const { name } of migrations) {
  try {
    const [one] = await source.compile([name]);
    compiled[name] = {
      up: one?.up.kind === 'sql' ? one.up.sql : one?.up.kind,
      down: one?.down?.kind === 'sql' ? one.down.sql : (one?.down?.kind ?? null),
      irreversible: one?.irreversible,
    };
  } catch (error) {
    compiled[name] = (error as Error).message;
  }
}
process.stdout.write(JSON.stringify({ compiled, ignored, problems }));
