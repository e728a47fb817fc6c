import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import type { FileSeen } from '../core/model.ts';
import { canonical } from '../core/newlines.ts';
import { type Dir, openDir } from './dir.ts';
import { errnoOf, ioError } from './io-error.ts';
import { forEachLimited } from './pool.ts';
import { directoryOf, groupByDir, nameOf } from './paths.ts';

/** What is under a name. */
export type Found = { kind: 'absent' } | { kind: 'link' } | { kind: 'other' } | { kind: 'file'; bytes: Uint8Array; stat: BigIntStats };

/** How often a file is read that changes while it is read. */
const ATTEMPTS = 10;

/**
 * Reads a regular file whole, as it was at one moment: what moved under the read is read again. Never follows a symbolic link.
 *
 * @throws {SyncError} `IO` where it cannot be read, or will not keep still
 */
export async function readAt(dir: Dir, name: string): Promise<Found> {
  const path = dir.relative === '' ? name : `${dir.relative}/${name}`;
  let handle: FileHandle;
  try {
    // Windows has no O_NOFOLLOW. O_NONBLOCK, or a FIFO would wait for its writer.
    if (constants.O_NOFOLLOW === undefined && (await lstat(dir.path(name))).isSymbolicLink()) return { kind: 'link' };
    handle = await open(dir.path(name), constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return { kind: 'absent' };
    if (code === 'ELOOP' || code === 'EMLINK') return { kind: 'link' };
    if (code === 'ENXIO' || code === 'EISDIR' || code === 'ENODEV') return { kind: 'other' };
    throw ioError('read', path, error);
  }
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const stat = await handle.stat({ bigint: true });
      if (!stat.isFile()) return { kind: 'other' };
      const bytes = await readWhole(handle, Number(stat.size));
      const after = await handle.stat({ bigint: true });
      if (bytes.length === Number(stat.size) && after.size === stat.size && after.mtimeNs === stat.mtimeNs && after.ino === stat.ino) {
        return { kind: 'file', bytes, stat };
      }
    }
  } catch (error) {
    throw ioError('read', path, error);
  } finally {
    await handle.close();
  }
  throw new SyncError('IO', `Cannot read "${path}": it kept changing meanwhile`);
}

/** Up to one byte more than `size`, so that a file that grew shows. */
async function readWhole(handle: FileHandle, size: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(size + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, Math.min(buffer.length - length, 1 << 30), length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}

/** What a scan notes about a file. */
export function seenAt(path: string, { bytes, stat }: Extract<Found, { kind: 'file' }>): FileSeen {
  const whole = digest(bytes);
  const text = canonical(bytes, 'lf');
  return { path, digest: whole, lfDigest: text === bytes ? whole : digest(text), size: bytes.length, mode: Number(stat.mode & 0o777n) };
}

/**
 * One file, from the top; null where there is none.
 *
 * @throws {SyncError} `IO` where something else than a regular file is there, or it cannot be read
 */
export async function readFileSeen(top: string, path: string): Promise<{ seen: FileSeen; bytes: Uint8Array } | null> {
  let dir: Dir;
  try {
    dir = await openDir(top, directoryOf(path));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    const found = await readAt(dir, nameOf(path));
    if (found.kind === 'absent') return null;
    if (found.kind !== 'file')
      throw new SyncError('IO', `Cannot read "${path}": it is ${found.kind === 'link' ? 'a symbolic link' : 'not a regular file'}`);
    return { seen: seenAt(path, found), bytes: found.bytes };
  } finally {
    await dir.close();
  }
}

/**
 * The bytes of many files, by path. What is no regular file, or not reached without a symbolic link, is left out.
 *
 * @throws {SyncError} `IO` where a file cannot be read
 */
export async function readBytes(top: string, paths: readonly string[]): Promise<Map<string, Uint8Array>> {
  const texts = new Map<string, Uint8Array>();
  await forEachLimited(
    groupByDir(paths, (path) => path),
    4,
    async ([relative, members]) => {
      let dir: Dir;
      try {
        dir = await openDir(top, relative);
      } catch (error) {
        if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return;
        throw error;
      }
      try {
        await forEachLimited(members, 16, async (path) => {
          const found = await readAt(dir, nameOf(path));
          if (found.kind === 'file') texts.set(path, found.bytes);
        });
      } finally {
        await dir.close();
      }
    },
  );
  return texts;
}
