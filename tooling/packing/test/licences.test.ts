import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { licencesOf } from '../src/licences.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'licences-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function installed(name: string, license: string | undefined, files: Readonly<Record<string, string>>): Promise<string> {
  const all = { ...files, 'package.json': JSON.stringify({ name, version: '1.2.3', license }), 'lib/index.js': '' };
  for (const [path, text] of Object.entries(all)) {
    const file = join(folder, 'node_modules', name, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  return join(folder, 'node_modules', name, 'lib', 'index.js');
}

test('each package is named once, with its licence: of its own file, or of its read-me', async () => {
  const one = await installed('one', 'MIT', { LICENSE: 'Copyright One\n' });
  const scoped = await installed('@some/two', 'ISC', { 'license.md': 'Copyright Two\n' });
  const three = await installed('three', 'MIT', {
    'README.md': '# three\n\nDoes it.\n\n## License\n\nCopyright Three\n\nPermission is granted.\n\n## Thanks\n',
  });
  const text = await licencesOf([one, scoped, three, one]);
  expect(text.match(/^.* 1\.2\.3 \(\w+\)$/gm)).toEqual(['@some/two 1.2.3 (ISC)', 'one 1.2.3 (MIT)', 'three 1.2.3 (MIT)']);
  expect(text).toContain('three 1.2.3 (MIT)\n\nCopyright Three\n\nPermission is granted.\n');
  expect(text).not.toContain('Thanks');
});

test.each([
  ['none', undefined, { LICENSE: 'Copyright\n' }],
  ['MIT without its text', 'MIT', { 'README.md': '# it\n' }],
])('a package is not copied whose licence is %s', async (_case, license, files) => {
  await expect(licencesOf([await installed('it', license, files)])).rejects.toThrow('it 1.2.3 has no licence that could be handed on');
});
