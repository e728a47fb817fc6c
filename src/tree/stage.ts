import { constants } from 'node:fs';
import { type FileHandle, open, rmdir } from 'node:fs/promises';
import type { FileChange } from '../core/batch.ts';
import { type Digest, digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import { type Dir, openDir } from './dir.ts';
import { removeIfThere } from './entries.ts';
import { errnoOf, ioError } from './io-error.ts';
import { checkChanges } from './names.ts';
import { directoryOf, groupByDir, nameOf } from './paths.ts';
import { forEachLimited } from './pool.ts';
import { readAt } from './read.ts';

/** Where a batch's files are. */
export interface Tree {
  /** Absolute path of the working tree. */
  top: string;
  /** From the top; directories that become empty are removed up to it. */
  root: string;
}

/** The text of a digest; null if it is not kept any more. */
export type TextOf = (digest: Digest) => Promise<Uint8Array | null> | Uint8Array | null;

/** How many directories, and files in each, are worked on at a time. */
export const DIRECTORIES = 4;
export const FILES = 16;

const WRITE_NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

/**
 * Puts the new content of every change on the disk under its temporary name, with its mode, durable and read back. No target is touched.
 * If one fails, none is left, nor a directory made for it. A failed file is never fsynced again: its data is lost.
 *
 * @returns the directories it made, from the top
 * @throws {SyncError} `IO` naming the path; `VERIFY` if a text is not what its digest says, or was not read back as written
 */
export async function stage(tree: Tree, changes: readonly FileChange[], textOf: TextOf): Promise<{ created: string[] }> {
  checkChanges(changes);
  const writes = changes.filter((change) => change.after !== null);
  const staged: FileChange[] = [];
  const created: string[] = [];
  try {
    await forEachLimited(
      groupByDir(writes, (change) => change.path),
      DIRECTORIES,
      async ([relative, members]) => {
        const dir = await openDir(tree.top, relative, { create: true, onCreated: (made) => created.push(made) });
        try {
          await forEachLimited(members, FILES, async (change) => {
            await stageOne(dir, change, textOf, () => staged.push(change));
          });
          await dir.sync();
        } finally {
          await dir.close();
        }
      },
    );
  } catch (error) {
    throw await unstage(tree, staged, created, error);
  }
  return { created };
}

/** Writes one temporary file; `onMade` is called once its name exists. */
export async function stageOne(dir: Dir, change: FileChange, textOf: TextOf, onMade: () => void = () => {}): Promise<void> {
  if (change.after === null || change.temp === null) return;
  const bytes = await textOf(change.after);
  if (bytes === null) throw new SyncError('INTERNAL', `The text for "${change.path}" is not in the state`);
  if (digest(bytes) !== change.after) throw new SyncError('VERIFY', `The text kept for "${change.path}" is damaged`);
  try {
    const handle = await open(dir.path(change.temp), WRITE_NEW, 0o600);
    onMade();
    try {
      await writeWhole(handle, bytes);
      await handle.chmod(change.mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw ioError('write', change.path, error);
  }
  const found = await readAt(dir, change.temp);
  if (found.kind !== 'file' || Buffer.compare(found.bytes, bytes) !== 0) {
    throw new SyncError('VERIFY', `The new content of "${change.path}" was not read back as it was written`);
  }
}

async function writeWhole(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at, Math.min(bytes.length - at, 1 << 30), at);
    at += bytesWritten;
  }
}

/** Takes back what was staged; the error to throw, with what could not be taken back as details. */
async function unstage(tree: Tree, staged: readonly FileChange[], created: readonly string[], error: unknown): Promise<Error> {
  const left: string[] = [];
  await forEachLimited(
    groupByDir(staged, (change) => change.path),
    DIRECTORIES,
    async ([relative, members]) => {
      try {
        const dir = await openDir(tree.top, relative);
        try {
          for (const change of members) await removeIfThere(dir, change.temp ?? '');
        } finally {
          await dir.close();
        }
      } catch (problem) {
        left.push(ioError('clean up', relative, problem).message);
      }
    },
  );
  // Inner ones first; a directory someone uses by now stays.
  for (const relative of [...created].sort((a, b) => b.length - a.length)) {
    try {
      const parent = await openDir(tree.top, directoryOf(relative));
      try {
        await rmdir(parent.path(nameOf(relative)));
      } finally {
        await parent.close();
      }
    } catch (problem) {
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errnoOf(problem) ?? '')) left.push(ioError('remove', relative, problem).message);
    }
  }
  if (!(error instanceof SyncError)) return error instanceof Error ? error : new Error(String(error));
  return left.length === 0 ? error : new SyncError(error.code, error.message, { cause: error.cause, details: [...error.details, ...left] });
}
