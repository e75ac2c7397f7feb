/** Migrations that are somebody's code: what they print, and what Node.js says of them. */

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, migrate } from './support/command.ts';

const NOISY = `console.log('loaded');
export const up = (pgm) => { console.log('up', { a: 1 }); process.stdout.write('raw\\n'); pgm.sql('CREATE TABLE noisy (id int)'); };
export const down = false;
`;

test('what a module prints does not get into the document', async () => {
  await using db = await testDatabase();
  await using place = await folder({ 'm/0001_noisy.mjs': NOISY });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  const plan = await migrate(['plan', '--dir', 'm', '--json'], at);
  expect(JSON.parse(plan.stdout)).toMatchObject({ services: [{ targets: [{ steps: [{ version: '0001' }] }] }] });
  const up = await migrate(['up', '--dir', 'm', '--json'], at);
  expect(JSON.parse(up.stdout)).toMatchObject({ services: [{ targets: [{ outcome: 'applied', applied: ['0001'] }] }] });
  for (const printed of ['loaded', 'up { a: 1 }', 'raw']) expect(up.stderr).toContain(printed);
});

test('without --json it is printed where it stands', async () => {
  await using db = await testDatabase();
  await using place = await folder({ 'm/0001_noisy.mjs': NOISY });
  const { stdout } = await migrate(['up', '--dir', 'm', '--url', db.url], { cwd: place.path });
  expect(stdout).toMatch(/loaded\n(?:.*\n)*.*1 migration applied/);
});

test('a TypeScript migration in a package without a type brings no advice, but its own warnings are shown', async () => {
  await using db = await testDatabase();
  await using place = await folder({
    'package.json': '{ "name": "theirs" }',
    'migrate.config.ts': `export default { name: 'theirs', migrations: 'm', database: 'theirs' };\n`,
    'm/0001_a.ts': `process.emitWarning('theirs', { code: 'THEIRS' });\nexport const up = (pgm: { sql(text: string): void }): void => pgm.sql('SELECT 1');\n`,
  });
  const { code, stdout, stderr } = await migrate(['up', '--url', db.url], { cwd: place.path });
  expect({ code, said: stdout.includes('1 migration applied') }).toEqual({ code: 0, said: true });
  expect(stderr).toContain('[THEIRS] Warning: theirs');
  expect(stderr).not.toContain('MODULE_TYPELESS_PACKAGE_JSON');
});
