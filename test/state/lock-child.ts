import { readFile, rmdir, mkdir, writeFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { acquireLock } from '../../src/state/lock.ts';

/** `hold`: takes the lock and keeps it until killed. `race`: takes it `rounds` times, and fails if anybody else is inside. */
const [what = '', folder = '', scratch = '', rounds = '0'] = process.argv.slice(2);
const options = { holder: { command: `child ${what}` }, timeoutMs: 120_000 };

if (what === 'hold') {
  const lock = await acquireLock(folder, options);
  process.stdout.write('held\n');
  setInterval(() => lock.holder, 1_000_000);
} else {
  for (let i = 0; i < Number(rounds); i++) {
    await using _lock = await acquireLock(folder, options);
    await mkdir(`${scratch}/inside`);
    const count = Number(await readFile(`${scratch}/count`, 'utf8'));
    await setImmediate();
    await writeFile(`${scratch}/count`, String(count + 1));
    await rmdir(`${scratch}/inside`);
  }
}
