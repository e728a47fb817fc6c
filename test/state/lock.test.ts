import assert from 'node:assert/strict';
import { access, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { SyncError } from '../../src/core/errors.ts';
import { acquireLock, lockHolder, tryLock } from '../../src/state/lock.ts';
import { startChild } from '../helpers/runtime-child.ts';
import { scratchFolder } from './samples.ts';

const script = new URL('./lock-child.ts', import.meta.url);
const options = { holder: { command: 'sync' } };

test('the lock is free, held, and free again', async (t) => {
  const folder = await scratchFolder(t);
  assert.equal(await lockHolder(folder), null);
  const lock = await tryLock(folder, options);
  assert.ok(lock);
  assert.deepEqual(await lockHolder(folder), lock.holder);
  assert.equal(lock.holder.pid, process.pid);
  assert.equal(lock.holder.command, 'sync');
  assert.deepEqual(JSON.parse(await readFile(join(folder, 'lock.json'), 'utf8')), lock.holder);
  await Promise.all([lock.release(), lock.release()]);
  assert.equal(await lockHolder(folder), null);
  assert.deepEqual(await readdir(folder), ['lock.db']);
});

test('one process has it once only, and releasing twice does not take it from the next', async (t) => {
  const folder = await scratchFolder(t);
  const first = await acquireLock(folder, { ...options, timeoutMs: 0 });
  assert.equal(await tryLock(folder, options), null);
  const waiting = acquireLock(folder, { holder: { command: 'second' }, timeoutMs: 60_000 });
  await first.release();
  const second = await waiting;
  await first.release();
  assert.equal((await lockHolder(folder))?.command, 'second');
  assert.equal(await tryLock(folder, options), null);
  await second[Symbol.asyncDispose]();
  assert.equal(await lockHolder(folder), null);
});

test('what was done under the lock does not fail because the note of its holder cannot be removed', async (t) => {
  const folder = await scratchFolder(t);
  const lock = await acquireLock(folder, { ...options, timeoutMs: 0 });
  const note = join(folder, 'lock.json');
  await rm(note);
  await mkdir(join(note, 'in the way'), { recursive: true });
  await lock.release();
  assert.equal(await lockHolder(folder), null);
  await rm(note, { recursive: true });
  await (await acquireLock(folder, { ...options, timeoutMs: 0 })).release();
});

for (const runtime of ['node', 'deno'] as const) {
  test(`a child on ${runtime} keeps it until it is killed, and is named`, async (t) => {
    const folder = await scratchFolder(t);
    const child = startChild(script, ['hold', folder], runtime);
    t.after(() => child.kill());
    await child.lines.until((lines) => lines.includes('held'));
    assert.equal(await tryLock(folder, options), null);
    const holder = await lockHolder(folder);
    assert.equal(holder?.pid, child.pid);
    assert.equal(holder?.command, 'child hold');
    await assert.rejects(acquireLock(folder, { ...options, timeoutMs: 30 }), (error: SyncError) => {
      assert.ok(error instanceof SyncError);
      assert.equal(error.code, 'LOCKED');
      assert.equal(error.exitCode, 6);
      const since = new Date(holder?.since ?? 0).toISOString();
      assert.equal(error.message, `Waited 0.03 s for the lock, which process ${child.pid} ("child hold") holds since ${since}`);
      assert.ok(error.hint?.includes(`kill ${child.pid}`), error.hint);
      return true;
    });

    const waiting = acquireLock(folder, { ...options, timeoutMs: 60_000 });
    await child.kill();
    const lock = await waiting;
    assert.equal((await lockHolder(folder))?.pid, process.pid);
    await lock.release();
    assert.equal(child.stderr(), '', 'no warning of the runtime');
  });
}

test('what a killed holder left behind misleads nobody', async (t) => {
  const folder = await scratchFolder(t);
  const child = startChild(script, ['hold', folder]);
  await child.lines.until((lines) => lines.includes('held'));
  await child.kill();
  await access(join(folder, 'lock.json'));
  assert.equal(await lockHolder(folder), null);
  const lock = await tryLock(folder, options);
  assert.equal((await lockHolder(folder))?.pid, process.pid);
  await lock?.release();
});

test('a missing or torn note of the holder does not hide that the lock is held', async (t) => {
  const folder = await scratchFolder(t);
  const child = startChild(script, ['hold', folder]);
  t.after(() => child.kill());
  await child.lines.until((lines) => lines.includes('held'));
  const gone = startChild(script, ['race', folder, folder, '0']);
  await gone.ended;
  for (const torn of ['', '{"pid":', 'null', '[]', '{"pid":"x"}', `{"pid":${gone.pid},"command":"gone","since":1}`]) {
    await writeFile(join(folder, 'lock.json'), torn);
    assert.deepEqual(await lockHolder(folder), { pid: null, command: null, since: null }, torn);
  }
  await assert.rejects(acquireLock(folder, { ...options, timeoutMs: 0 }), {
    code: 'LOCKED',
    message: 'Waited 0 s for the lock, which another process holds',
  });
});

test('looking who holds it does not disturb the holder', async (t) => {
  const folder = await scratchFolder(t);
  const lock = await tryLock(folder, options);
  for (let i = 0; i < 20; i++) await lockHolder(folder);
  const child = startChild(script, ['race', folder, dirname(folder), '0']);
  assert.equal(await child.ended, 0);
  const rival = startChild(script, ['hold', folder]);
  t.after(() => rival.kill());
  for (let i = 0; i < 20; i++) assert.equal((await lockHolder(folder))?.pid, process.pid);
  assert.deepEqual(rival.lines.all, []);
  await lock?.release();
  await rival.lines.until((lines) => lines.includes('held'));
});

test('waiting can be called off', async (t) => {
  const folder = await scratchFolder(t);
  await using _lock = await acquireLock(folder, { ...options, timeoutMs: 0 });
  const stop = new AbortController();
  const waiting = acquireLock(folder, { ...options, timeoutMs: 60_000, signal: stop.signal });
  stop.abort(new Error('called off'));
  await assert.rejects(waiting, { message: 'called off' });
  await assert.rejects(acquireLock(folder, { ...options, timeoutMs: 0, signal: stop.signal }), { message: 'called off' });
});

test('a lock file that is no database is named with its remedy', async (t) => {
  const folder = await scratchFolder(t);
  await mkdir(folder);
  await writeFile(join(folder, 'lock.db'), 'x'.repeat(5000));
  await assert.rejects(tryLock(folder, options), { code: 'STATE', message: /^Could not lock ".*lock\.db": / });
  await assert.rejects(lockHolder(folder), { code: 'STATE' });
});

test('a lock file that cannot be opened is no corrupt state', async (t) => {
  const folder = await scratchFolder(t);
  await mkdir(join(folder, 'lock.db'), { recursive: true });
  await assert.rejects(tryLock(folder, options), { code: 'IO', message: /^Could not lock ".*lock\.db": unable to open/ });
});

test('of twenty racing processes one at a time has the lock', async (t) => {
  const folder = await scratchFolder(t);
  await writeFile(join(dirname(folder), 'count'), '0');
  const children = Array.from({ length: 20 }, () => startChild(script, ['race', folder, dirname(folder), '5']));
  for (const child of children) assert.equal(await child.ended, 0, child.stderr());
  assert.equal(await readFile(join(dirname(folder), 'count'), 'utf8'), '100');
  assert.equal(await lockHolder(folder), null);
});
