import { type Dirent, readdir } from 'node:fs';
import fastGlob from 'fast-glob';
import { isEditorFile } from '../core/editor-files.ts';
import type { FileSeen } from '../core/model.ts';
import { OWN_PREFIX } from '../core/safe-path.ts';
import type { Skip, SkipCode } from '../core/skips.ts';
import { type Dir, openDir } from './dir.ts';
import { asyncDisk } from './disk-async.ts';
import { shares } from './executor.ts';
import { errnoOf } from './io-error.ts';
import { groupByDir, nameOf } from './paths.ts';
import { forEachLimited } from './pool.ts';
import { executorOf, type Tree } from './tree.ts';

export interface Scan {
  files: FileSeen[];
  /** What is no readable regular file. Of a directory among them, everything below is unknown, not absent. */
  skips: Skip[];
  /** Every folder, empty ones included. */
  folders: ReadonlySet<string>;
  /** Files under names of sync-run's own: from a batch under way, or left behind by a crash. */
  leftovers: string[];
}

/**
 * Everything below `root`, in the order of the paths, hashed. Symbolic links are named, never followed; editors' temporary files and
 * nested `.git` folders are overlooked; a file that vanishes meanwhile is absent. A missing root is empty.
 *
 * @param top where the paths start; an absolute path
 * @throws {SyncError} `IO` if `root` is, or leads through, a symbolic link; the signal's reason if it is aborted
 */
export async function scanTree({ top, root, executor, signal }: Tree & { signal?: AbortSignal | undefined }): Promise<Scan> {
  const folders = new Set<string>();
  const scan: Scan = { files: [], skips: [], folders, leftovers: [] };
  // By path: of a directory that was swapped meanwhile every share says the same.
  const skips = new Map<string, Skip>();
  const start = await openIfThere(top, root);
  if (!start) return scan;
  try {
    const prefix = start.relative === '' ? '' : `${start.relative}/`;
    const skip = (path: string, code: SkipCode, message: string): void => void skips.set(path, { path, code, message });
    const wanted: string[] = [];
    for (const { path: below, dirent } of await list(start, prefix, skip)) {
      const path = prefix + below;
      if (nameOf(path).startsWith(OWN_PREFIX) && dirent.isFile()) scan.leftovers.push(path);
      else if (isEditorFile(nameOf(path))) continue;
      // Names that are not UTF-8 come as U+FFFD; names with a real one are always written encoded.
      else if (path.includes('\uFFFD')) skip(path, 'UNSAFE_PATH', 'The name is not valid UTF-8');
      else if (dirent.isSymbolicLink()) skip(path, 'SYMLINK', 'It is a symbolic link');
      else if (dirent.isFile()) wanted.push(path);
      else if (dirent.isDirectory()) folders.add(path);
      else skip(path, 'NOT_A_FILE', 'It is not a regular file');
    }
    const lanes = executorOf({ executor }).lanes(wanted.length);
    const groups = groupByDir(wanted, (path) => path);
    await forEachLimited(shares(groups), lanes.count, async ([relative, paths]) => {
      signal?.throwIfAborted();
      const seen = await lanes.run('see', { top, relative, paths });
      for (const file of seen.files) scan.files.push(file);
      for (const skipped of seen.skips) skips.set(skipped.path, skipped);
    });
  } finally {
    await start.close();
  }
  signal?.throwIfAborted();
  scan.files.sort((a, b) => (a.path < b.path ? -1 : 1));
  scan.skips = [...skips.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return scan;
}

type SkipIt = (path: string, code: SkipCode, message: string) => void;

async function openIfThere(top: string, relative: string): Promise<Dir | null> {
  try {
    return await openDir(asyncDisk, top, relative);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Every entry below the directory. One that cannot be listed is a skip: its files must not seem deleted. */
function list(start: Dir, prefix: string, skip: SkipIt): Promise<{ path: string; dirent: Dirent }[]> {
  const base = start.path('.').replace(/[\\/]?\.$/, '');
  const listDirectory = (
    path: string,
    options: { withFileTypes: true },
    done: (error: NodeJS.ErrnoException | null, entries: Dirent[]) => void,
  ): void =>
    readdir(path, options, (error, entries) => {
      if (!error || error.code === 'ENOENT') return done(error, entries);
      skip(
        (prefix + path.slice(base.length + 1)).replace(/\/$/, ''),
        'UNREADABLE',
        `Cannot list the directory (${error.code ?? error.message})`,
      );
      done(null, []);
    });
  return fastGlob('**', {
    cwd: base,
    dot: true,
    onlyFiles: false,
    objectMode: true,
    followSymbolicLinks: false,
    ignore: ['**/.git', '**/.git/**'],
    fs: { readdir: listDirectory as typeof readdir },
  }) as unknown as Promise<{ path: string; dirent: Dirent }[]>;
}
