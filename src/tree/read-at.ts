import { type BigIntStats, constants } from 'node:fs';
import { digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import type { FileSeen } from '../core/model.ts';
import { canonical } from '../core/newlines.ts';
import type { Dir } from './dir.ts';
import type { Disk } from './disk.ts';
import { errnoOf, ioError } from './io-error.ts';

/** What is under a name. */
export type Found = { kind: 'absent' } | { kind: 'link' } | { kind: 'other' } | { kind: 'file'; bytes: Uint8Array; stat: BigIntStats };

/** How often a file is read that changes while it is read. */
const ATTEMPTS = 10;

// Windows has no O_NOFOLLOW. O_NONBLOCK, or a FIFO would wait for its writer.
const READ = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * Reads a regular file whole, as it was at one moment: what moved under the read is read again. Never follows a symbolic link.
 *
 * @throws {SyncError} `IO` where it cannot be read, or will not keep still
 */
export async function readAt(dir: Dir, name: string): Promise<Found> {
  const { disk } = dir;
  const path = dir.relative === '' ? name : `${dir.relative}/${name}`;
  let fd: number;
  try {
    if (constants.O_NOFOLLOW === undefined && (await disk.lstat(dir.path(name))).isSymbolicLink()) return { kind: 'link' };
    fd = await disk.open(dir.path(name), READ);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') return { kind: 'absent' };
    if (code === 'ELOOP' || code === 'EMLINK') return { kind: 'link' };
    if (code === 'ENXIO' || code === 'EISDIR' || code === 'ENODEV') return { kind: 'other' };
    throw ioError('read', path, error);
  }
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const stat = await disk.stat(fd);
      if (!stat.isFile()) return { kind: 'other' };
      const bytes = await readWhole(disk, fd, Number(stat.size));
      const after = await disk.stat(fd);
      if (bytes.length === Number(stat.size) && after.size === stat.size && after.mtimeNs === stat.mtimeNs && after.ino === stat.ino) {
        return { kind: 'file', bytes, stat };
      }
    }
  } catch (error) {
    throw ioError('read', path, error);
  } finally {
    await disk.close(fd);
  }
  throw new SyncError('IO', `Cannot read "${path}": it kept changing meanwhile`);
}

/**
 * Reads `size` bytes, and one more where there are more. That there are no more is known only from the size afterwards: to
 * ask for an end of the file that is known already would cost another call.
 */
export async function readWhole(disk: Disk, fd: number, size: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(size + 1);
  let length = 0;
  do {
    const count = await disk.read(fd, buffer, length, Math.min(buffer.length - length, 1 << 30), length);
    if (count === 0) break;
    length += count;
  } while (length < size);
  return buffer.subarray(0, length);
}

/** What a scan notes about a file. */
export function seenAt(path: string, { bytes, stat }: Extract<Found, { kind: 'file' }>): FileSeen {
  const whole = digest(bytes);
  const text = canonical(bytes, 'lf');
  return { path, digest: whole, lfDigest: text === bytes ? whole : digest(text), size: bytes.length, mode: Number(stat.mode & 0o777n) };
}
