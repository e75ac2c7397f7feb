/** A clinic is put away with the command line while the service runs and serves it. */

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Answer, ServiceProcess } from '@org/service-kit/testing';
import { expect, test } from 'vitest';

import { platform, register, startAll, untilActive, type Platform, type RegisteredClinic } from './support/platform.ts';

const run = promisify(execFile);
const folder = fileURLToPath(new URL('..', import.meta.url));

async function migrateTenants(on: Platform, ...words: readonly string[]): Promise<void> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...on.environmentOf('appointment') };
  // Rejects, with all that it printed, unless it exits 0.
  await run(`${folder}/node_modules/.bin/migrate`, ['tenants', ...words], { cwd: folder, env });
}

function ask(service: ServiceProcess, { token }: RegisteredClinic): Promise<Answer> {
  return service.request('GET', '/team-members', { token });
}

/** The first answer after sessions were ended may be the server's own. */
async function settled(service: ServiceProcess, clinic: RegisteredClinic): Promise<Answer> {
  const answer = await ask(service, clinic);
  return answer.body.detail?.startsWith('the database cannot answer') ? await ask(service, clinic) : answer;
}

const putAway = { type: 'about:blank', title: 'Not Found', status: 404, detail: 'this clinic was put away' };

test.each(['schema', 'database'] as const)(
  'with a %s for each, a clinic that is put away while it is served gets the answer of one that always was',
  async (tenancy) => {
    await using on = await platform({ tenancy });
    const { user, appointment } = await startAll(on);
    const [known, other] = [await register(user, randomUUID()), await register(user, randomUUID())];
    await Promise.all([known, other].map((clinic) => untilActive(user, clinic)));
    for (const clinic of [known, other]) expect((await ask(appointment, clinic)).status).toBe(200);
    // Long enough that a doubt about them is news, and not so about the one that is made now.
    await sleep(5_500);
    const recent = await register(user, randomUUID());
    await untilActive(user, recent);
    expect((await ask(appointment, recent)).status).toBe(200);

    await migrateTenants(on, 'drop', recent.id, known.id, '--yes');
    for (const clinic of [recent, known]) {
      expect(await settled(appointment, clinic)).toEqual({ status: 404, body: putAway });
      expect(await ask(appointment, clinic)).toEqual({ status: 404, body: putAway });
    }
    const later = await on.start('appointment');
    await later.until('/health/ready', 200);
    expect(await ask(later, known)).toEqual({ status: 404, body: putAway });
    expect((await ask(appointment, other)).status).toBe(200);
    expect(appointment.output()).not.toContain('lacks something');

    await migrateTenants(on, 'restore', known.id);
    await expect.poll(async () => (await ask(appointment, known)).status, { timeout: 20_000, interval: 200 }).toBe(200);

    // Deleted, there is nothing left that would tell it from a clinic that is not set up yet.
    await migrateTenants(on, 'drop', other.id, '--delete', '--yes');
    const deleted = await settled(appointment, other);
    expect(deleted).toMatchObject({ status: 503, body: { detail: expect.stringContaining('not set up here yet') } });
  },
);
