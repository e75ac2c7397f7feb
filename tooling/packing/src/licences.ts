/** The licences of what is copied into a package: each asks to be handed on with its copy. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
}

/** One text for the packages that these files belong to, by name. Throws an `Error` where one has no licence. */
export async function licencesOf(files: readonly string[]): Promise<string> {
  const folders = new Set(files.map(packageFolder));
  const parts = await Promise.all([...folders].toSorted().map(licenceOf));
  return `The files of this folder hold copies of the packages below. Each is under the licence that follows its name.\n${parts.join('')}`;
}

/** `…/node_modules/@scope/name` of a file in it. */
function packageFolder(file: string): string {
  const [folder] = /^.*[/\\]node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+/.exec(file) ?? [];
  if (folder === undefined) throw new Error(`${file} is in no package`);
  return folder;
}

async function licenceOf(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
  const text = await licenceText(folder);
  if (license === undefined || text === null) throw new Error(`${name} ${version} has no licence that could be handed on with a copy of it`);
  return `\n\n${'-'.repeat(80)}\n${name} ${version} (${license})\n\n${text.trim()}\n`;
}

/** The licence's own file, or what the read-me says under that heading; `null`: neither. */
async function licenceText(folder: string): Promise<string | null> {
  const files = await readdir(folder);
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  const own = files.find((name) => /^licen[cs]e(\.\w+)?$/i.test(name));
  if (own !== undefined) return read(own);
  const readme = files.find((name) => /^readme(\.\w+)?$/i.test(name));
  return readme === undefined ? null : (/^#+ *licen[cs]e *\n([^]+?)(?=\n#|$(?![^]))/im.exec(await read(readme))?.[1] ?? null);
}
