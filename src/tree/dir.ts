import { constants } from 'node:fs';
import { type FileHandle, lstat, mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { errnoOf, ioError } from './io-error.ts';

/** A directory below the top that no symbolic link was followed to. To be closed. */
export interface Dir extends AsyncDisposable {
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
export async function openDir(top: string, relative: string, options: OpenDirOptions = {}): Promise<Dir> {
  return (await hasProc()) ? openPinned(top, relative, options) : openChecked(top, relative, options);
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
async function openPinned(top: string, relative: string, { create, onCreated }: OpenDirOptions): Promise<Dir> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY;
  const names = components(relative);
  let handle: FileHandle = await open(top, flags).catch((error: unknown) => {
    throw ioError('open', top, error);
  });
  const created: string[] = [];
  let at = '';
  for (const name of names) {
    const path = `/proc/self/fd/${handle.fd}/${name}`;
    const above = at;
    at = above === '' ? name : `${above}/${name}`;
    const enter = (): Promise<FileHandle> => open(path, flags | constants.O_NOFOLLOW);
    try {
      let next: FileHandle;
      try {
        next = await enter();
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT' || !create) throw await explainEntry(path, at, error);
        if (await makeDirectory(path, at)) {
          created.push(at);
          onCreated?.(at);
          await syncHandle(handle, above);
        }
        next = await enter();
      }
      await handle.close();
      handle = next;
    } catch (error) {
      await handle.close();
      throw ioError('open', at, error);
    }
  }
  const held = handle;
  const close = (): Promise<void> => held.close();
  return {
    relative: at,
    created,
    path: (name) => `/proc/self/fd/${held.fd}/${name}`,
    check: () => Promise.resolve(),
    sync: () => syncHandle(held, at),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * By names, for systems without `/proc`: each component is looked at, and again in `check`. Someone with write access to
 * the tree who swaps a directory between check and use can still redirect a write.
 */
export async function openChecked(top: string, relative: string, { create, onCreated }: OpenDirOptions): Promise<Dir> {
  const created: string[] = [];
  const seen: { path: string; relative: string; dev: bigint; ino: bigint }[] = [];
  let path = top;
  let at = '';
  for (const name of components(relative)) {
    const above = path;
    path = join(path, name);
    at = at === '' ? name : `${at}/${name}`;
    if (create && (await makeDirectory(path, at))) {
      created.push(at);
      onCreated?.(at);
      await syncPath(above, at);
    }
    const { dev, ino } = await lookAt(path, at);
    seen.push({ path, relative: at, dev, ino });
  }
  const check = async (): Promise<void> => {
    for (const entry of seen) {
      const now = await lookAt(entry.path, entry.relative);
      if (now.dev !== entry.dev || now.ino !== entry.ino) throw notADirectory(entry.relative, 'was replaced by another directory');
    }
  };
  const close = (): Promise<void> => Promise.resolve();
  return {
    relative: at,
    created,
    path: (name) => join(path, name),
    check,
    sync: () => syncPath(path, at),
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function lookAt(path: string, relative: string): Promise<{ dev: bigint; ino: bigint }> {
  const found = await lstat(path, { bigint: true }).catch((error: unknown) => {
    throw ioError('open', relative, error);
  });
  if (found.isDirectory()) return found;
  throw notADirectory(relative, found.isSymbolicLink() ? 'is a symbolic link' : 'is not a directory');
}

function notADirectory(relative: string, what: string): SyncError {
  return new SyncError('IO', `"${relative}" ${what}`, { cause: Object.assign(new Error('not a directory'), { code: 'ENOTDIR' }) });
}

/** A symbolic link opened as a directory is ENOTDIR too; says which it is. */
async function explainEntry(path: string, relative: string, error: unknown): Promise<Error> {
  if (errnoOf(error) !== 'ENOTDIR' && errnoOf(error) !== 'ELOOP') return ioError('open', relative, error);
  const isLink = await lstat(path).then(
    (found) => found.isSymbolicLink(),
    () => false,
  );
  return notADirectory(relative, isLink ? 'is a symbolic link' : 'is not a directory');
}

/** Whether it made the directory; one that is already there, or appears meanwhile, is fine. */
async function makeDirectory(path: string, relative: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw ioError('create', relative, error);
  }
}

async function syncHandle(handle: FileHandle, relative: string): Promise<void> {
  try {
    await handle.sync();
  } catch (error) {
    throw ioError('make durable', relative, error);
  }
}

/** Windows cannot fsync a directory; its file system journals names by itself. */
async function syncPath(path: string, relative: string): Promise<void> {
  try {
    const handle = await open(path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (process.platform === 'win32' && ['EPERM', 'EISDIR', 'EINVAL'].includes(errnoOf(error) ?? '')) return;
    throw ioError('make durable', relative, error);
  }
}
