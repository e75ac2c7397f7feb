/** A package as those get it who install it. */

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, realpath, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const packages = fileURLToPath(new URL('../../../packages', import.meta.url));

export type PackageName = 'migrate-core' | 'migrate-cli';

/** Builds the package and writes its tarball into a folder that is there. Answers the tarball's path. */
export async function pack(name: PackageName, destination: string): Promise<string> {
  const own = await mkdtemp(join(destination, 'pack-'));
  // Its lifecycle scripts run with the repository's Node, which strips types.
  const pnpm = process.env['npm_execpath'];
  const [program, ...words] =
    pnpm !== undefined && /pnpm/.test(pnpm) ? (/\.[cm]?js$/.test(pnpm) ? [process.execPath, pnpm] : [pnpm]) : ['npx', '-y', 'pnpm@12'];
  await run(program as string, [...words, 'pack', '--pack-destination', own], { cwd: join(packages, name) });
  const [tarball] = await readdir(own);
  if (tarball === undefined) throw new Error(`pnpm packed nothing of ${name}`);
  return join(own, tarball);
}

/**
 * Lays the packed library and command line out in an empty folder as a package manager would, without asking a registry: what they depend on
 * is what is installed here. Answers the path of the command.
 */
export async function installPacked(folder: string): Promise<string> {
  await install('migrate-core', folder);
  return join(await install('migrate-cli', folder), 'bin', 'migrate.js');
}

async function install(name: PackageName, folder: string): Promise<string> {
  const place = join(folder, name);
  await mkdir(place);
  await run('tar', ['-xzf', await pack(name, folder), '-C', place, '--strip-components=1']);
  const manifest = JSON.parse(await readFile(join(place, 'package.json'), 'utf8')) as { readonly dependencies: Readonly<Record<string, string>> };
  for (const dependency of Object.keys(manifest.dependencies)) {
    const link = join(place, 'node_modules', dependency);
    const target = dependency.startsWith('@org/') ? join(folder, basename(dependency)) : await realpath(join(packages, name, 'node_modules', dependency));
    await mkdir(dirname(link), { recursive: true });
    await symlink(target, link, 'junction');
  }
  return place;
}
