import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { guardMount } from './guard.ts';
import { rewrite } from './rewrite.ts';
import { createLoopDisk, type LoopDisk } from './loop-disk.ts';

const execute = promisify(execFile);

/** A disk whose device may have no room left: a write succeeds, as always, and fails once it is written back. */
export interface FullDisk extends LoopDisk {
  /** From now on no block can be written that was not in use before; the file system itself notices nothing. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

const MiB = 1024 * 1024;
const DISK = 64 * MiB;
const ROOM = DISK + 6 * MiB;
/** What a tmpfs gives out at a time; of smaller blocks some would have their place already. */
const PAGE = 4096;

/** ext4 in a file on a tmpfs of that size. Its journal and tables have their blocks there for ever; those of files come and go. */
export async function createFullDisk(image: string, folder: string): Promise<FullDisk> {
  const room = `${image}-room`;
  const filler = join(room, 'filler');
  await mkdir(room);
  await execute('mount', ['-t', 'tmpfs', '-o', `size=${ROOM}`, 'tmpfs', room]);
  const guard = guardMount(room, room);
  const leave = async (): Promise<void> => {
    await execute('umount', [room]).catch(() => execute('umount', ['--lazy', room]));
    guard.end();
  };
  let disk: LoopDisk;
  try {
    disk = await createLoopDisk('ext4', join(room, 'image'), folder, { size: DISK, format: ['-b', String(PAGE)], prepare: rewrite });
    // Before anything is written: what ext4 sets aside for small files is not in use, and yet not trimmed later.
    await execute('fstrim', [folder]);
  } catch (error) {
    await leave();
    throw error;
  }
  return {
    ...disk,
    async fill() {
      await disk.flush();
      // What is not in use now has no block on the device any more.
      await execute('fstrim', [folder]);
      const zeros = Buffer.alloc(MiB / 16);
      const endless = Readable.from(
        (function* () {
          for (;;) yield zeros;
        })(),
      );
      await pipeline(endless, createWriteStream(filler)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOSPC') throw error;
      });
    },
    free: () => rm(filler, { force: true }),
    async remove() {
      await disk.remove();
      await leave();
    },
  };
}
