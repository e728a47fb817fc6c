import { execFile } from 'node:child_process';
import { open, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { missing } from './debian.ts';
import { guardMount } from './guard.ts';

const execute = promisify(execFile);

export const fileSystems = ['ext4', 'xfs'] as const;
export type FileSystem = (typeof fileSystems)[number];

/** What a power cut does with the part of the journal that is only in memory: `drop` loses it, `flush` writes it, but no more data. */
export const cuts = ['drop', 'flush'] as const;
export type Cut = (typeof cuts)[number];

/** A file system in a file, mounted on a folder. */
export interface LoopDisk {
  /** Makes all that is written so far durable. */
  flush(): Promise<void>;
  /** Cuts the power: from now on every call fails, and what was not durable is lost. Processes that use it should be gone before `replug`. */
  cut(how: Cut): Promise<void>;
  /** Mounts it anew, which replays the journal. */
  replug(): Promise<void>;
  /** Unmounts it and says what is wrong with it, or null. */
  check(): Promise<string | null>;
  /** Unmounts it and removes its file. May be called at any time. */
  remove(): Promise<void>;
}

/** Why there are no such disks here, or null. */
export async function noLoopDisks(): Promise<string | null> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root on Linux can mount a file system';
  return missing({ mount: 'mount', 'mkfs.ext4': 'e2fsprogs', 'mkfs.xfs': 'xfsprogs', xfs_io: 'xfsprogs' });
}

/** xfs is not made smaller than 300 MB; the file is sparse. */
const SIZE = 320 * 1024 * 1024;

export interface LoopDiskOptions {
  size?: number;
  /** What mkfs is told besides. */
  format?: readonly string[];
  /** What is to be done with the file before it is mounted. */
  prepare?: (image: string) => Promise<void>;
}

/**
 * @param image path of the file to make
 * @param folder an empty folder to mount it on
 */
export async function createLoopDisk(
  kind: FileSystem,
  image: string,
  folder: string,
  { size = SIZE, format = [], prepare }: LoopDiskOptions = {},
): Promise<LoopDisk> {
  const file = await open(image, 'wx');
  await file.truncate(size);
  await file.close();
  await execute(`mkfs.${kind}`, ['-q', ...format, image]);
  await prepare?.(image);
  const mount = async (): Promise<void> => {
    // ext4 writes its journal every five seconds by itself, which would save what nobody made durable.
    const options = kind === 'ext4' ? 'loop,commit=600' : 'loop';
    await execute('mount', ['-t', kind, '-o', options, image, folder]);
    isMounted = true;
  };
  const unmount = async (): Promise<void> => {
    await execute('umount', [folder]);
    isMounted = false;
  };
  let isMounted = false;
  await mount();
  const guard = guardMount(folder, image);
  return {
    flush: async () => void (await execute('sync', ['-f', folder])),
    cut: async (how) => void (await execute('xfs_io', ['-x', '-c', how === 'flush' ? 'shutdown -f' : 'shutdown', folder])),
    async replug() {
      await unmount();
      await mount();
    },
    async check() {
      await unmount();
      const [program, args] = kind === 'ext4' ? (['e2fsck', ['-f', '-n']] as const) : (['xfs_repair', ['-n', '-f']] as const);
      try {
        await execute(program, [...args, image]);
        return null;
      } catch (error) {
        const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
        return `${program}: ${stdout}${stderr}`;
      }
    },
    async remove() {
      // A test that failed may have left a process on it.
      if (isMounted) await unmount().catch(() => execute('umount', ['--lazy', folder]));
      guard.end();
      await rm(image, { force: true });
    },
  };
}
