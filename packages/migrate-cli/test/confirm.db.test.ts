/** What the question names, before anything is undone. */

import { testDatabase } from '@org/test-postgres';
import { expect, test } from 'vitest';

import { folder, migrate } from './support/command.ts';
import { down } from './support/folders.ts';

test('a down that is going to be refused does not ask about the part of it that could be done', async () => {
  await using db = await testDatabase();
  await using place = await folder({
    'm/0001_a.sql': down('', 'CREATE TABLE a (id int);', 'DROP TABLE a;'),
    'm/0002_b.sql': down('', 'CREATE TABLE b (id int);', 'DROP TABLE b;'),
    'm/0003_c.sql': 'CREATE TABLE c (id int);\n',
  });
  const at = { cwd: place.path, env: { DATABASE_URL: db.url } };
  await migrate(['up', '--dir', 'm'], at);
  const refused = await migrate(['down', '--dir', 'm', '--steps', '2'], at);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('This would undo the last 2 migrations, for m;') as string });
  await place.write({ 'm/0003_c.sql': 'CREATE TABLE c (id int);\n-- Down Migration\nDROP TABLE c;\n' });
  const possible = await migrate(['down', '--dir', 'm', '--steps', '2'], at);
  expect(possible).toMatchObject({ code: 2, stderr: expect.stringContaining('This would undo 0003_c, 0002_b (2 migrations), for m;') as string });
});
