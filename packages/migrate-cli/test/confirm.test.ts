/** Whose server it is, before anything is undone on it. */

import { expect, test } from 'vitest';

import { isThisMachine } from '../src/confirm.ts';
import { folder, migrate } from './support/command.ts';
import { clinic } from './support/folders.ts';

test.each(['localhost', 'LOCALHOST', '127.0.0.1', '::1', '/var/run/postgresql'])('%s is this machine', (host) => {
  expect(isThisMachine(host)).toBe(true);
});

test.each(['db.example.com', '10.0.0.7', 'localhost.example.com', 'postgres'])('%s is not', (host) => {
  expect(isThisMachine(host)).toBe(false);
});

test('a down on another server, of more than one step, or to a version asks, also where the server cannot be reached to name what it would undo', async () => {
  await using place = await folder(clinic);
  const at = { cwd: place.path };
  for (const args of [
    ['--url', 'postgres://u:secret@db.example.com/app'],
    ['--url', 'postgres://localhost:1/app', '--steps', '2'],
    ['--url', 'postgres://localhost:1/app', '--to', '1'],
  ]) {
    const refused = await migrate(['down', '--dir', 'm', ...args], at);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('add --yes when it is meant') as string });
    expect(refused.stderr.match(/undo/g)).toHaveLength(1);
    expect(refused.stderr).not.toContain('secret');
  }
});
