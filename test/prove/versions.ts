import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { release, tmpdir, type } from 'node:os';
import { promisify } from 'node:util';
import { mariadb } from '../helpers/mariadb.ts';

const execute = promisify(execFile);

/** What the rigs ran on, name to version. */
export async function versions(): Promise<[name: string, version: string][]> {
  const [server] = await (await mariadb()).sql('SELECT VERSION() AS version');
  const { stdout: deno } = await execute('deno', ['--version']);
  const { stdout: git } = await execute('git', ['--version']);
  return [
    // What follows the number names whoever built the kernel.
    [type(), /^[\d.]+/.exec(release())?.[0] ?? release()],
    ['scratch folder', await fileSystemOf(tmpdir())],
    ['Node.js', process.versions.node],
    ['Deno', /^deno (\S+)/.exec(deno)?.[1] ?? 'unknown'],
    ['SQLite', process.versions.sqlite ?? 'unknown'],
    ['MariaDB', String(server?.version)],
    ['git', git.replace(/^git version /, '').trim()],
  ];
}

/** The type of the file system a folder is on, from the longest mount point above it. */
async function fileSystemOf(folder: string): Promise<string> {
  if (process.platform !== 'linux') return 'unknown';
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' '));
  const above = mounts.filter(([, point = '']) => point === '/' || folder === point || folder.startsWith(`${point}/`));
  return above.toSorted(([, a = ''], [, b = '']) => a.length - b.length).at(-1)?.[2] ?? 'unknown';
}
