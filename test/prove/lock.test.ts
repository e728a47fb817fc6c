import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { acquireLock, lockHolder } from '../../src/state/lock.ts';
import { full, randomFrom, seed, survived } from './cases.ts';

const RACERS = 50;
const ROUNDS = full ? 40 : 4;
const script = fileURLToPath(new URL('lock-child.ts', import.meta.url));

/** What is wrong where somebody else holds the lock and nothing shows it; null where it cannot be had. */
async function asTaken(folder: string): Promise<string | null> {
  try {
    const lock = await acquireLock(folder, { holder: { command: 'the judge' }, timeoutMs: 100 });
    await lock.release();
    return 'another one got it';
  } catch (error) {
    return (error as { code?: string }).code === 'LOCKED' ? null : String(error);
  }
}

it(
  'of fifty racers one at a time has the lock, though some are killed or stopped while they have it',
  { skip: process.platform !== 'linux' && 'reads /proc' },
  async (t) => {
    const scratch = await realpath(await mkdtemp(join(tmpdir(), 'sync-run-lock-')));
    t.after(() => rm(scratch, { recursive: true, force: true }));
    const folder = join(scratch, 'state');
    const random = randomFrom(seed);
    const counts = { taken: 0, killed: 0, stopped: 0 };
    const problems: string[] = [];

    const race = async (): Promise<void> => {
      const child = spawn(process.execPath, [script, folder, join(scratch, 'mark'), String(ROUNDS)]);
      let stderr = '';
      child.stdin.on('error', () => {});
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      const closed = once(child, 'close');
      let isKilled = false;
      for await (const _ of createInterface({ input: child.stdout })) {
        counts.taken += 1;
        const chance = random();
        if (chance < 0.05) {
          counts.killed += 1;
          isKilled = child.kill('SIGKILL');
          continue;
        }
        if (chance < 0.1) {
          counts.stopped += 1;
          child.kill('SIGSTOP');
          const taken = await asTaken(folder);
          if (taken !== null) problems.push(`Process ${child.pid} was stopped while it had the lock, and ${taken}`);
          child.kill('SIGCONT');
        }
        child.stdin.write('go on\n');
      }
      const [code] = (await closed) as [number | null];
      if (code !== 0 && !isKilled) problems.push(stderr);
    };
    await Promise.all(Array.from({ length: RACERS }, race));
    assert.deepEqual(problems, [], 'nobody met another one inside');
    assert.equal(await lockHolder(folder), null, 'the lock is free once all are gone');
    assert.ok(counts.taken >= RACERS && counts.killed > 0 && counts.stopped > 0, JSON.stringify(counts));
    survived(t, {
      cases: counts.taken,
      detail: `${RACERS} racers, ${counts.killed} killed and ${counts.stopped} stopped while they had it`,
    });
  },
);
