/** Real processes of services, for tests: started, asked over HTTP, signalled, and read to their end. */

import { spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export const secret = 'a-secret-of-the-tests-and-of-nobody-else';

export interface Answer {
  readonly status: number;
  // What a service answers is what the tests look at, in all its forms.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ServiceProcess extends AsyncDisposable {
  readonly pid: number;
  /** `http://127.0.0.1:PORT`, once it listens. */
  readonly url: string;
  readonly ended: Promise<Ended>;
  /** Everything it has written so far, to both outputs. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
  /** One request; `token` is sent as a bearer. */
  request(method: string, path: string, options?: { readonly body?: unknown; readonly token?: string }): Promise<Answer>;
  /** Asks until it answers with this status. Throws after `withinMs` (default 20 s), or when the process ends. */
  until(path: string, status: number, withinMs?: number): Promise<Answer>;
}

/** Starts `file` with only these variables (and PATH), on a free port. Resolves when it listens, or has ended before. */
export async function startService(file: string, environment: Readonly<Record<string, string>>): Promise<ServiceProcess> {
  const child = spawn(process.execPath, ['--conditions=@org/source', file], {
    env: { PATH: process.env['PATH'], PORT: '0', AUTH_SECRET: secret, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let over: Ended | null = null;
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => {
      over = { code, signal };
      resolve(over);
    });
  });
  const address = (): string => /listening at (http:\/\/127\.0\.0\.1:\d+)/.exec(output)?.[1] ?? '';
  while (address() === '' && over === null) await sleep(20);
  const url = address();

  return {
    pid: child.pid ?? 0,
    url,
    ended,
    output: () => output,
    kill: (signal) => void child.kill(signal),
    request: (method, path, options) => ask(url, method, path, options),
    async until(path, status, withinMs = 20_000) {
      const limit = performance.now() + withinMs;
      let last: Answer | null = null;
      while (performance.now() < limit && over === null) {
        last = await ask(url, 'GET', path).catch(() => null);
        if (last?.status === status) return last;
        await sleep(25);
      }
      throw new Error(`${path} did not answer ${status}; at last ${JSON.stringify(last)}, ${over === null ? 'running' : 'ended'}\n${output}`);
    },
    async [Symbol.asyncDispose]() {
      if (over === null) child.kill('SIGKILL');
      await ended;
    },
  };
}

async function ask(url: string, method: string, path: string, { body, token }: { readonly body?: unknown; readonly token?: string } = {}): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : JSON.parse(text) };
}

/** A token with which the user service asks another one to make this tenant. */
export function provisioningToken(tenant: string, aud: string): string {
  return tokenFor({ sub: 'user', service: 'user', aud, tenant, permissions: ['tenants:provision'] });
}

export interface TokenClaims {
  readonly tenant: string;
  readonly permissions: readonly string[];
  readonly sub?: string;
  readonly iss?: string;
  /** Seconds from now. Default 60. */
  readonly lifetime?: number;
  /** Of a service's token: who asks, and who is asked. */
  readonly service?: string;
  readonly aud?: string;
}

/** A token as the user service signs it, made by hand, so that a test can also make wrong ones. */
export function tokenFor({ tenant, permissions, sub = randomUUID(), iss = 'user', lifetime = 60, service, aud }: TokenClaims, key: string = secret): string {
  const now = Math.floor(Date.now() / 1_000);
  const parts = [
    { alg: 'HS256', typ: 'JWT' },
    { sub, tenant, permissions, iss, iat: now, exp: now + lifetime, service, aud },
  ];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}
