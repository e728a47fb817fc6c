import { createHash, randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, mkdir, realpath } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { SyncError } from '../core/errors.ts';

/** What decides where sockets go; the caller reads it from the environment. */
export interface Surroundings {
  platform: NodeJS.Platform;
  /** Null where there are no user ids. */
  uid: number | null;
  runtimeDir: string | undefined;
  home: string | undefined;
  tmpdir: string;
}

// Node 22 cuts longer ones off in silence, so that two trees would share one socket; macOS takes 104 bytes with the end.
const LONGEST = 100;

/** Whether the address is that of a pipe, as on Windows, which is in no folder. */
export const isPipe = (address: string): boolean => address.startsWith('\\\\.\\pipe\\');

/**
 * The address for the runner of the tree with this git dir: a short name in a folder that only we can enter,
 * made where it is missing. On Windows a pipe with a name nobody can guess.
 *
 * @throws {SyncError} `IO` if no folder will do; it names each with what is wrong
 */
export async function socketAddress(gitDir: string, surroundings: Surroundings): Promise<string> {
  const name = createHash('sha256')
    .update(await realpath(gitDir))
    .digest('hex')
    .slice(0, 16);
  if (surroundings.platform === 'win32') return `\\\\.\\pipe\\sync-run-${name}-${randomBytes(8).toString('hex')}`;
  const refused: string[] = [];
  for (const { folder, parents } of candidates(surroundings)) {
    const path = join(folder, `${name}.sock`);
    const bytes = Buffer.byteLength(path);
    const problem =
      bytes >= LONGEST
        ? `the path would have ${bytes} bytes, ${LONGEST - 1} are possible`
        : await prepare(folder, parents, surroundings.uid);
    if (problem === null) return path;
    refused.push(`"${folder}": ${problem}`);
  }
  throw new SyncError('IO', "There is no private folder for the runner's socket", {
    hint: 'Remove or repair one of them, or set XDG_RUNTIME_DIR to a folder that only you can enter',
    details: refused,
  });
}

/** Why a folder is not private to this user, or null where it is. */
export function folderProblem(stat: Pick<Stats, 'isSymbolicLink' | 'isDirectory' | 'uid' | 'mode'>, uid: number | null): string | null {
  if (stat.isSymbolicLink()) return 'it is a symbolic link';
  if (!stat.isDirectory()) return 'it is no folder';
  if (uid !== null && stat.uid !== uid) return `it belongs to user ${stat.uid}`;
  if (uid !== null && (stat.mode & 0o077) !== 0) return `its mode is ${(stat.mode & 0o777).toString(8)}, not 700`;
  return null;
}

/** What tells a state folder from a copy of it, which holds the same files. */
export async function folderId(path: string): Promise<string> {
  const { dev, ino } = await lstat(path, { bigint: true });
  return `${dev}:${ino}`;
}

function candidates({ uid, runtimeDir, home, tmpdir }: Surroundings): { folder: string; parents: boolean }[] {
  const found: { folder: string; parents: boolean }[] = [];
  // The runtime dir is the system's to make; one that is not there is not ours to invent.
  if (runtimeDir !== undefined && isAbsolute(runtimeDir)) found.push({ folder: join(runtimeDir, 'sync-run'), parents: false });
  if (home !== undefined && isAbsolute(home)) found.push({ folder: join(home, '.cache', 'sync-run'), parents: true });
  found.push({ folder: join(tmpdir, `sync-run-${uid ?? 'user'}`), parents: false });
  return found;
}

async function prepare(folder: string, parents: boolean, uid: number | null): Promise<string | null> {
  try {
    await mkdir(folder, { recursive: parents, mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return (error as Error).message;
  }
  try {
    return folderProblem(await lstat(folder), uid);
  } catch (error) {
    return (error as Error).message;
  }
}
