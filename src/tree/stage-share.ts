import { constants } from 'node:fs';
import type { FileChange } from '../core/batch.ts';
import { digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import { type Dir, openDir } from './dir.ts';
import type { Disk } from './disk.ts';
import { asError, ioError } from './io-error.ts';
import { FILES, forEachLimited } from './pool.ts';
import { readWhole } from './read-at.ts';

/** New files of one directory, with their texts. */
export interface StageShare {
  top: string;
  relative: string;
  changes: FileChange[];
  texts: (Uint8Array | null)[];
}

export interface Staged {
  /** Which of the changes have a temporary file now, by their index. */
  made: number[];
  /** The directories made, from the top. */
  created: string[];
  error: Error | null;
}

/** See `stage`. What was made is said also where it failed. */
export async function stageShare(disk: Disk, { top, relative, changes, texts }: StageShare): Promise<Staged> {
  const made: number[] = [];
  const created: string[] = [];
  try {
    const dir = await openDir(disk, top, relative, { create: true, onCreated: (path) => created.push(path) });
    try {
      await forEachLimited(changes.entries(), FILES, async ([index, change]) => {
        await stageOne(dir, change, texts[index] ?? null, () => made.push(index));
      });
      await dir.sync();
    } finally {
      await dir.close();
    }
  } catch (error) {
    return { made, created, error: asError(error) };
  }
  return { made, created, error: null };
}

const NEW = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

/**
 * Writes one temporary file, makes it durable and reads it back; `onMade` is called once its name exists.
 *
 * What is read back is the file that was written and not what its name may have become: `confirmPlaced` reads by name.
 */
export async function stageOne(dir: Dir, change: FileChange, bytes: Uint8Array | null, onMade: () => void = () => {}): Promise<void> {
  if (change.after === null || change.temp === null) return;
  if (bytes === null) throw new SyncError('INTERNAL', `The text for "${change.path}" is not in the state`);
  if (digest(bytes) !== change.after) throw new SyncError('VERIFY', `The text kept for "${change.path}" is damaged`);
  const { disk } = dir;
  let found: Uint8Array;
  try {
    const fd = await disk.open(dir.path(change.temp), NEW, 0o600);
    onMade();
    try {
      await writeWhole(disk, fd, bytes);
      await disk.chmod(fd, change.mode);
      await disk.sync(fd);
      found = await readWhole(disk, fd, bytes.length);
    } finally {
      await disk.close(fd);
    }
  } catch (error) {
    throw ioError('write', change.path, error);
  }
  if (Buffer.compare(found, bytes) !== 0) {
    throw new SyncError('VERIFY', `The new content of "${change.path}" was not read back as it was written`);
  }
}

async function writeWhole(disk: Disk, fd: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await disk.write(fd, bytes, at, Math.min(bytes.length - at, 1 << 30), at);
}
