/** docs/guides/registering-a-clinic.md, done as it is written: its requests, at the ports of a test's own services. */

import { readFile } from 'node:fs/promises';
import { expect, test, vi } from 'vitest';
import { platform, startAll } from './support/platform.ts';

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The words of a command, as sh reads them. Throws for a variable that no earlier command has set. */
function wordsOf(command: string, variables: ReadonlyMap<string, string>): string[] {
  const filled = (text: string): string =>
    text.replaceAll(/\$(\w+)/g, (_all, name: string) => {
      const value = variables.get(name);
      if (value === undefined) throw new Error(`$${name} is not set`);
      return value;
    });
  return [...command.matchAll(/'([^']*)'|"((?:\\.|[^"\\])*)"|(\S+)/g)].map(
    ([, single, double, bare]) => single ?? filled((double ?? bare ?? '').replaceAll(/\\(["\\])/g, '$1')),
  );
}

async function curl(words: readonly string[], url: (port: string) => string): Promise<Answer> {
  const headers: Record<string, string> = {};
  let method: string | null = null;
  let body: string | null = null;
  let address = '';
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    if (word === '-s') continue;
    if (!word.startsWith('-')) {
      address = word.replace(/^localhost:(\d+)/, (_all, port: string) => url(port));
      continue;
    }
    at += 1;
    const value = words[at] ?? '';
    if (word === '-X') method = value;
    else if (word === '-d') body = value;
    else if (word === '-H') headers[value.slice(0, value.indexOf(':'))] = value.slice(value.indexOf(':') + 1).trim();
    else throw new Error(`the guide uses curl ${word}, which this test does not know`);
  }
  const response = await fetch(address, { method: method ?? 'GET', headers, body });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

test('registering a clinic, as its guide says', async () => {
  await using services = await platform();
  await startAll(services);
  const names = new Map([
    ['3001', 'user'],
    ['3002', 'patient'],
    ['3003', 'appointment'],
  ] as const);
  const url = (port: string): string => services.url[names.get(port as '3001') ?? 'user'];
  const guide = await readFile(new URL('../../../docs/guides/registering-a-clinic.md', import.meta.url), 'utf8');
  const variables = new Map<string, string>();
  const answers: Answer[] = [];
  const commands = [...guide.matchAll(/^(?:(\w+)=\$\()?curl (.+?)(?: \| node -p '[^']*\)\.(\w+)'\))?$/gm)];
  for (const [, variable, command = '', key] of commands) {
    const words = wordsOf(command, variables);
    const ask = (): Promise<Answer> => curl(words, url);
    const untilActive = (): Promise<Answer> =>
      vi.waitFor(
        async () => {
          const answer = await ask();
          expect(answer.body['status']).toBe('active');
          return answer;
        },
        { timeout: 40_000, interval: 100 },
      );
    const answer = await (command.includes('/provisioning') ? untilActive() : ask());
    if (variable !== undefined && key !== undefined) variables.set(variable, String(answer.body[key]));
    answers.push(answer);
  }
  expect(answers.map(({ status }) => status)).toEqual([201, 200, 200, 201, 201, 201, 200, 200, 201, 200, 200, 200, 404]);
  expect(answers[6]?.body['items']).toMatchObject([{ patient_id: variables.get('PATIENT'), team_member_id: variables.get('MEMBER') }]);
  expect(answers[7]?.body).toMatchObject({ first_name: 'Amina' });
  expect(answers[11]?.body['items']).toEqual([]);
  // Sent again.
  expect(await curl(wordsOf(commands[0]?.[2] ?? '', variables), url)).toMatchObject({ status: 200, body: { name: 'Clinique du Parc' } });
}, 120_000);
