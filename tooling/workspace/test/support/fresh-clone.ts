import { mkdtempSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, stopLocalPostgres } from '@org/local-postgres';
import { onTestFinished } from 'vitest';

/** A local PostgreSQL of this test's own, as it is before the first command in a fresh clone. */
export async function freshClone(): Promise<NodeJS.ProcessEnv> {
  const folder = mkdtempSync('/tmp/workspace-');
  await chmod(folder, 0o755);
  const env: NodeJS.ProcessEnv = { LOCAL_POSTGRES_DIR: join(folder, 'postgres'), LOCAL_POSTGRES_PORT: String(await freePort()), CI: 'true' };
  for (const name of ['PATH', 'HOME', 'TMPDIR', 'USER']) if (process.env[name] !== undefined) env[name] = process.env[name];
  onTestFinished(async () => {
    await stopLocalPostgres(env).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  });
  return env;
}
