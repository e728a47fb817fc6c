import { type BigIntStats, constants } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import type { Disk, Soon } from './disk.ts';
import { errnoOf, ioError } from './io-error.ts';

/** A directory below the top that no symbolic link was followed to. To be closed. */
export interface Dir {
  readonly disk: Disk;
  /** From the top, `/`-separated; `''` is the top itself. */
  readonly relative: string;
  /** Where to reach a child. On Linux it stays in this very directory, whatever happens to the directory's own path. */
  path(name: string): string;
  /** Elsewhere: throws if the directory's path leads somewhere else by now. */
  check(): Promise<void>;
  /** Makes the names in it durable. A failure means that it cannot be known what is on disk. */
  sync(): Promise<void>;
  /** The directories that were made on the way, from the top, outermost first. They are durable. */
  readonly created: string[];
  close(): Promise<void>;
}

export interface OpenDirOptions {
  create?: boolean;
  /** Told of each directory made, also where opening fails afterwards. */
  onCreated?: (relative: string) => void;
}

/**
 * Opens `relative` below `top`, component by component without following symbolic links. `top` itself is trusted.
 *
 * @throws {SyncError} `IO`; its cause has the code `ENOENT` where the directory is missing, `ENOTDIR` where something else
 *   or a symbolic link is in its place
 */
export async function openDir(disk: Disk, top: string, relative: string, options: OpenDirOptions = {}): Promise<Dir> {
  return (await hasProc()) ? openPinned(disk, top, relative, options) : openChecked(disk, top, relative, options);
}

let proc: Promise<boolean> | undefined;

function hasProc(): Promise<boolean> {
  proc ??=
    process.platform === 'linux'
      ? stat('/proc/self/fd').then(
          (found) => found.isDirectory(),
          () => false,
        )
      : Promise.resolve(false);
  return proc;
}

function components(relative: string): string[] {
  const names = relative === '' || relative === '.' ? [] : relative.split('/');
  if (names.some((name) => name === '' || name === '.' || name === '..'))
    throw new SyncError('INTERNAL', `"${relative}" is no path of a directory`);
  return names;
}

/** By descriptors: `/proc/self/fd/N/name` is Linux' way to say openat(). */
async function openPinned(disk: Disk, top: string, relative: string, { create, onCreated }: OpenDirOptions): Promise<Dir> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  const names = components(relative);
  const created: string[] = [];
  let at = '';
  let fd = await openTop(disk, top, flags);
  for (const name of names) {
    const path = `/proc/self/fd/${fd}/${name}`;
    const above = { fd, relative: at };
    at = at === '' ? name : `${at}/${name}`;
    const enter = (): Soon<number> => disk.open(path, flags | constants.O_NOFOLLOW);
    try {
      try {
        fd = await enter();
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT' || !create) throw await explainEntry(disk, path, at, error);
        if (await makeDirectory(disk, path, at)) {
          created.push(at);
          onCreated?.(at);
          await syncFd(disk, above.fd, above.relative);
        }
        fd = await enter();
      }
    } catch (error) {
      throw ioError('open', at, error);
    } finally {
      await disk.close(above.fd);
    }
  }
  const held = fd;
  return {
    disk,
    relative: at,
    created,
    path: (name) => `/proc/self/fd/${held}/${name}`,
    check: () => Promise.resolve(),
    sync: () => syncFd(disk, held, at),
    close: async () => disk.close(held),
  };
}

async function openTop(disk: Disk, top: string, flags: number): Promise<number> {
  try {
    return await disk.open(top, flags);
  } catch (error) {
    throw ioError('open', top, error);
  }
}

/**
 * By names, for systems without `/proc`: each component is looked at, and again in `check`. Someone with write access to
 * the tree who swaps a directory between check and use can still redirect a write.
 */
export async function openChecked(disk: Disk, top: string, relative: string, { create, onCreated }: OpenDirOptions): Promise<Dir> {
  const created: string[] = [];
  const seen: { path: string; relative: string; dev: bigint; ino: bigint }[] = [];
  let path = top;
  let at = '';
  for (const name of components(relative)) {
    const above = path;
    path = join(path, name);
    at = at === '' ? name : `${at}/${name}`;
    if (create && (await makeDirectory(disk, path, at))) {
      created.push(at);
      onCreated?.(at);
      await syncPath(disk, above, at);
    }
    const { dev, ino } = await lookAt(disk, path, at);
    seen.push({ path, relative: at, dev, ino });
  }
  const check = async (): Promise<void> => {
    for (const entry of seen) {
      const now = await lookAt(disk, entry.path, entry.relative);
      if (now.dev !== entry.dev || now.ino !== entry.ino) throw notADirectory(entry.relative, 'was replaced by another directory');
    }
  };
  return {
    disk,
    relative: at,
    created,
    path: (name) => join(path, name),
    check,
    sync: () => syncPath(disk, path, at),
    close: () => Promise.resolve(),
  };
}

async function lookAt(disk: Disk, path: string, relative: string): Promise<{ dev: bigint; ino: bigint }> {
  let found: BigIntStats;
  try {
    found = await disk.lstat(path);
  } catch (error) {
    throw ioError('open', relative, error);
  }
  if (found.isDirectory()) return found;
  throw notADirectory(relative, found.isSymbolicLink() ? 'is a symbolic link' : 'is not a directory');
}

function notADirectory(relative: string, what: string): SyncError {
  return new SyncError('IO', `"${relative}" ${what}`, { cause: Object.assign(new Error('not a directory'), { code: 'ENOTDIR' }) });
}

/** A symbolic link opened as a directory is ENOTDIR too; says which it is. */
async function explainEntry(disk: Disk, path: string, relative: string, error: unknown): Promise<Error> {
  if (errnoOf(error) !== 'ENOTDIR' && errnoOf(error) !== 'ELOOP') return ioError('open', relative, error);
  return notADirectory(relative, (await isLink(disk, path)) ? 'is a symbolic link' : 'is not a directory');
}

async function isLink(disk: Disk, path: string): Promise<boolean> {
  try {
    return (await disk.lstat(path)).isSymbolicLink();
  } catch {
    return false; // Gone by now; the error that asked is the one to report.
  }
}

/** Whether it made the directory; one that is already there, or appears meanwhile, is fine. */
async function makeDirectory(disk: Disk, path: string, relative: string): Promise<boolean> {
  try {
    await disk.mkdir(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw ioError('create', relative, error);
  }
}

async function syncFd(disk: Disk, fd: number, relative: string): Promise<void> {
  try {
    await disk.sync(fd);
  } catch (error) {
    throw ioError('make durable', relative, error);
  }
}

/** Windows cannot fsync a directory; its file system journals names by itself. */
async function syncPath(disk: Disk, path: string, relative: string): Promise<void> {
  try {
    const fd = await disk.open(path, constants.O_RDONLY);
    try {
      await disk.sync(fd);
    } finally {
      await disk.close(fd);
    }
  } catch (error) {
    if (process.platform === 'win32' && ['EPERM', 'EISDIR', 'EINVAL'].includes(errnoOf(error) ?? '')) return;
    throw ioError('make durable', relative, error);
  }
}
