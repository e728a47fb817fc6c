import { constants } from 'node:fs';
import type { Dir } from './dir.ts';
import { errnoOf } from './io-error.ts';

/** What systems say that have no hard links (exFAT, some network and FUSE file systems), or none left. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES']);

/** Removes a name; whether it was there. */
export async function removeIfThere(dir: Dir, name: string): Promise<boolean> {
  try {
    await dir.disk.unlink(dir.path(name));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Identity of what is under a name; null where there is nothing. Does not follow a symbolic link. */
export async function inodeOf(dir: Dir, name: string): Promise<string | null> {
  try {
    const { dev, ino } = await dir.disk.lstat(dir.path(name));
    return `${dev}:${ino}`;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/**
 * Gives what is under `from` the name `to` as well, or a copy of it where there are no hard links.
 *
 * @returns whether both names are the same inode
 * @throws `EEXIST` where `to` is taken
 */
export async function linkOrCopy(dir: Dir, from: string, to: string): Promise<boolean> {
  try {
    await dir.disk.link(dir.path(from), dir.path(to));
    return true;
  } catch (error) {
    if (!NO_LINKS.has(errnoOf(error) ?? '')) throw error;
  }
  await dir.disk.copyFile(dir.path(from), dir.path(to), constants.COPYFILE_EXCL);
  const copy = await dir.disk.open(dir.path(to), constants.O_RDWR);
  try {
    await dir.disk.sync(copy);
  } finally {
    await dir.disk.close(copy);
  }
  return false;
}

/**
 * Moves a name to one that must be free.
 *
 * Atomic with hard links; without them another program could take `to` between look and rename.
 *
 * @returns false where `to` is taken
 */
export async function moveToFree(dir: Dir, from: string, to: string): Promise<boolean> {
  try {
    await dir.disk.link(dir.path(from), dir.path(to));
    await dir.disk.unlink(dir.path(from));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    if (!NO_LINKS.has(errnoOf(error) ?? '')) throw error;
  }
  if ((await inodeOf(dir, to)) !== null) return false;
  await dir.disk.rename(dir.path(from), dir.path(to));
  return true;
}

/** Whether the directory lists exactly this name; on a file system that ignores case, finding a file does not say so. */
export async function isListed(dir: Dir, name: string): Promise<boolean> {
  return (await dir.disk.readdir(dir.path('.'))).includes(name);
}
