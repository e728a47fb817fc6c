import type { BigIntStats } from 'node:fs';

export type Soon<T> = T | Promise<T>;

/**
 * The calls of the file system that this folder makes, with the errors of `node:fs`. The same code runs over one that waits for
 * the system elsewhere (`disk-async.ts`), one that is called in a thread of its own (`disk-sync.ts`), and one that fails.
 */
export interface Disk {
  open(path: string, flags: number, mode?: number): Soon<number>;
  close(fd: number): Soon<void>;
  /** How many bytes were read into `buffer` from `at` on. */
  read(fd: number, buffer: Uint8Array, offset: number, length: number, at: number): Soon<number>;
  /** How many bytes were written. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number, at: number): Soon<number>;
  stat(fd: number): Soon<BigIntStats>;
  chmod(fd: number, mode: number): Soon<void>;
  /** Never blocks the thread it is called in: while the disk is busy, other files have their turn. */
  sync(fd: number): Promise<void>;
  lstat(path: string): Soon<BigIntStats>;
  link(existing: string, path: string): Soon<void>;
  rename(from: string, to: string): Soon<void>;
  unlink(path: string): Soon<void>;
  mkdir(path: string): Soon<void>;
  rmdir(path: string): Soon<void>;
  copyFile(from: string, to: string, mode: number): Soon<void>;
  readdir(path: string): Soon<string[]>;
}
