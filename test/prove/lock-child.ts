import { readFile, rm, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setImmediate } from 'node:timers/promises';
import { acquireLock } from '../../src/state/lock.ts';

/**
 * Takes the lock `rounds` times. Says `in` once it has it and keeps it until it gets a line; fails with `rival <pid>` where the mark of
 * another one that lives stands there.
 */
const [folder = '', mark = '', rounds = '0'] = process.argv.slice(2);

/** A process that was killed may still have a number: a zombie's work is over. */
async function lives(pid: string): Promise<boolean> {
  try {
    return !/\) [ZX] /.test(await readFile(`/proc/${pid}/stat`, 'latin1'));
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** The mark of somebody who was killed while it had the lock stays; that of anybody else is gone before the lock is free. */
async function enter(): Promise<void> {
  try {
    await writeFile(mark, String(process.pid), { flag: 'wx' });
    return;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const other = await readFile(mark, 'utf8');
  // The kernel frees the lock of a dying process a moment before it lets the process be gone.
  for (let looks = 0; await lives(other); looks++) {
    if (looks === 10_000 || (await readFile(mark, 'utf8')) !== other) throw new Error(`rival ${other}`);
    await setImmediate();
  }
  await writeFile(mark, String(process.pid));
}

const words = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
for (let i = 0; i < Number(rounds); i++) {
  const lock = await acquireLock(folder, { holder: { command: 'a racer' }, timeoutMs: 600_000 });
  await enter();
  process.stdout.write('in\n');
  await words.next();
  const inside = await readFile(mark, 'utf8');
  if (inside !== String(process.pid)) throw new Error(`rival ${inside}`);
  await rm(mark);
  await lock.release();
}
process.stdin.destroy();
