import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { freshClone } from './support/fresh-clone.ts';

const script = join(import.meta.dirname, '../src/migrate.ts');

async function migrate(args: readonly string[], env: NodeJS.ProcessEnv): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [script, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (said.stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (said.stderr += String(chunk)));
  return await new Promise((resolve) => child.once('close', (code) => resolve({ code, ...said })));
}

/** Where each pattern is first found. */
const positions = (text: string, ...patterns: readonly RegExp[]): number[] => patterns.map((pattern) => text.search(pattern));

describe('pnpm migrate', () => {
  test('migrates a service after what it depends on, then the rest, and ends with a table; then all is current', async () => {
    const env = await freshClone();

    const patient = await migrate(['--filter', 'patient'], env);
    expect(patient).toMatchObject({ code: 0, stderr: '' });
    const [user, thenPatient, appointment] = positions(patient.stdout, /^user .*_service_db/m, /^patient .*_service_db/m, /^appointment/m);
    expect([user, appointment]).toEqual([0, -1]);
    expect(thenPatient).toBeGreaterThan(0);
    expect(patient.stdout).toMatch(/\nservice .*version.*\nuser .*\d{4} .*\npatient .*\d{4} .*\n\nuser and patient are current\.\n$/);

    const all = await migrate([], env);
    expect(all.code).toBe(0);
    expect(all.stdout).toMatch(/^user [^]*Nothing to do[^]*^patient [^]*Nothing to do[^]*^appointment [^]*migrations applied/m);
    expect(all.stdout).toMatch(/user, patient, and appointment are current\.\n$/);
    // Turbo's and pnpm's own lines are none of the reader's business.
    expect(all.stdout).not.toMatch(/turbo|cache bypass|Tasks:|\$ migrate/);

    const again = await migrate(['--json'], env);
    expect((JSON.parse(again.stdout) as { services: { targets: { outcome: string }[] }[] }).services.map(({ targets }) => targets[0]?.outcome)).toEqual([
      'upToDate',
      'upToDate',
      'upToDate',
    ]);
  }, 180_000);

  test('keeps the exit code of the migration that failed, and names what did not begin', async () => {
    const { code, stderr } = await migrate(['--filter', 'patient', '--to', '9999'], await freshClone());
    expect(code).toBe(2);
    expect(stderr).toMatch(/user failed, so that patient did not begin\./);
  });

  test('a file of variables is looked for where the command was typed, and one that is not there is said so', async () => {
    const root = join(import.meta.dirname, '../../..');
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: { migrate: string } };
    const typed = async (line: string): Promise<{ code: number | null; stderr: string }> => {
      const env = { PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`, INIT_CWD: join(root, 'services/patient') };
      const child = spawn('sh', ['-c', `${scripts.migrate} ${line}`], { cwd: root, env, stdio: ['ignore', 'ignore', 'pipe'] });
      let stderr = '';
      child.stderr.on('data', (chunk) => (stderr += String(chunk)));
      return await new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr })));
    };
    for (const line of ['--env-file nowhere.env', '--env-file=nowhere.env'])
      expect(await typed(line)).toEqual({ code: 2, stderr: `--env-file names ${join(root, 'services/patient/nowhere.env')}, which is not there.\n` });
    // Found there: what is complained of is the next thing.
    expect(await typed('--env-file package.json --filter nobody')).toEqual({ code: 2, stderr: expect.stringMatching(/nobody/) as string });
  });

  test('a filter that finds nothing is a mistake of whoever typed it', async () => {
    const { code, stderr } = await migrate(['--filter', 'nobody'], { PATH: process.env['PATH'] });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/nobody/)]);
  });
});
