import type { FileSeen } from '../core/model.ts';
import type { Skip } from '../core/skips.ts';
import { type Dir, openDir } from './dir.ts';
import type { Disk } from './disk.ts';
import { errnoOf } from './io-error.ts';
import { nameOf } from './paths.ts';
import { FILES, forEachLimited } from './pool.ts';
import { readAt, seenAt } from './read-at.ts';

/** Files of one directory. */
export interface SeeShare {
  top: string;
  relative: string;
  /** From the top. */
  paths: string[];
}

export interface Seen {
  files: FileSeen[];
  skips: Skip[];
}

/** Files hashed; see `scanTree`. */
export async function seeShare(disk: Disk, { top, relative, paths }: SeeShare): Promise<Seen> {
  const seen: Seen = { files: [], skips: [] };
  const skip = (path: string, code: Skip['code'], message: string): void => void seen.skips.push({ path, code, message });
  let dir: Dir;
  try {
    dir = await openDir(disk, top, relative);
  } catch (error) {
    const code = errnoOf(error);
    if (code !== 'ENOENT') skip(relative, code === 'ENOTDIR' ? 'SYMLINK' : 'UNREADABLE', messageOf(error));
    return seen;
  }
  try {
    await forEachLimited(paths, FILES, async (path) => {
      try {
        const found = await readAt(dir, nameOf(path));
        if (found.kind === 'file') seen.files.push(seenAt(path, found));
        else if (found.kind === 'link') skip(path, 'SYMLINK', 'It is a symbolic link');
        else if (found.kind === 'other') skip(path, 'NOT_A_FILE', 'It is not a regular file');
      } catch (error) {
        skip(path, 'UNREADABLE', messageOf(error));
      }
    });
  } finally {
    await dir.close();
  }
  return seen;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
