import fs from 'node:fs';
import type { Disk } from './disk.ts';

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

function called<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value)));
  });
}

/** For a few files: blocks nothing. By callbacks, since a call of `node:fs/promises` costs several times as much. */
export const asyncDisk: Disk = {
  open: (path, flags, mode) => called((done) => fs.open(path, flags, mode, done)),
  close: (fd) => called<void>((done) => fs.close(fd, done as (error: Error | null) => void)),
  read: (fd, buffer, offset, length, at) => called((done) => fs.read(fd, buffer, offset, length, at, done)),
  write: (fd, bytes, offset, length, at) => called((done) => fs.write(fd, bytes, offset, length, at, done)),
  stat: (fd) => called((done) => fs.fstat(fd, { bigint: true }, done)),
  chmod: (fd, mode) => called<void>((done) => fs.fchmod(fd, mode, done as fs.NoParamCallback)),
  sync: (fd) => called<void>((done) => fs.fsync(fd, done as fs.NoParamCallback)),
  lstat: (path) => called((done) => fs.lstat(path, { bigint: true }, done)),
  link: (existing, path) => called<void>((done) => fs.link(existing, path, done as fs.NoParamCallback)),
  rename: (from, to) => called<void>((done) => fs.rename(from, to, done as fs.NoParamCallback)),
  unlink: (path) => called<void>((done) => fs.unlink(path, done as fs.NoParamCallback)),
  mkdir: (path) => called<void>((done) => fs.mkdir(path, done as fs.NoParamCallback)),
  rmdir: (path) => called<void>((done) => fs.rmdir(path, done as fs.NoParamCallback)),
  copyFile: (from, to, mode) => called<void>((done) => fs.copyFile(from, to, mode, done as fs.NoParamCallback)),
  readdir: (path) => called((done) => fs.readdir(path, done)),
};
