/* oxlint-disable node/no-sync -- this is for threads that have nothing else to do */
import fs from 'node:fs';
import type { Disk } from './disk.ts';
import { asyncDisk } from './disk-async.ts';

/** For many files, never in the main thread: a call costs a tenth of an asynchronous one. */
export const syncDisk: Disk = {
  open: fs.openSync,
  close: fs.closeSync,
  read: fs.readSync,
  write: fs.writeSync,
  stat: (fd) => fs.fstatSync(fd, { bigint: true }),
  chmod: fs.fchmodSync,
  sync: asyncDisk.sync,
  lstat: (path) => fs.lstatSync(path, { bigint: true }),
  link: fs.linkSync,
  rename: fs.renameSync,
  unlink: fs.unlinkSync,
  mkdir: (path) => {
    fs.mkdirSync(path);
  },
  rmdir: fs.rmdirSync,
  copyFile: fs.copyFileSync,
  readdir: (path) => fs.readdirSync(path),
};
