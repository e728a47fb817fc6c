import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, open, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { digest } from '../../src/core/digest.ts';
import { SyncError } from '../../src/core/errors.ts';
import { openSqlite } from '../../src/sqlite/thread.ts';
import { openState } from '../../src/state/open.ts';
import { startChild } from '../helpers/runtime-child.ts';
import { batch, blobsOf, completion, entry, operation, scratchFolder, txid } from './samples.ts';

const run = promisify(execFile);

/** Opens, fails as it should, and gives the error. */
async function refusal(folder: string, mode: 'write' | 'read'): Promise<SyncError> {
  try {
    const state = await openState(folder, { mode });
    await state.close();
  } catch (error) {
    assert.ok(error instanceof SyncError, String(error));
    return error;
  }
  throw new Error(`Opened "${folder}"`);
}

const permissions = async (path: string): Promise<string> => ((await lstat(path)).mode & 0o777).toString(8);

test('the folder and what is in it are private', async (t) => {
  const folder = await scratchFolder(t);
  const state = await openState(folder, { mode: 'write' });
  await state.setMeta({ head: 'x' });
  assert.equal(await permissions(folder), '700');
  for (const name of await readdir(folder)) assert.equal(await permissions(join(folder, name)), '600', name);
  await state.close();

  await chmod(folder, 0o755);
  await (await openState(folder, { mode: 'write' })).close();
  assert.equal(await permissions(folder), '700');
});

test('the database is in WAL mode, in which readers and the writer leave each other alone', async (t) => {
  const folder = await scratchFolder(t);
  await (await openState(folder, { mode: 'write' })).close();
  const raw = await openSqlite(join(folder, 'state.db'));
  t.after(() => raw.close());
  assert.deepEqual(await raw.all('PRAGMA journal_mode'), [{ journal_mode: 'wal' }]);
});

test('a folder that is a link, a file, or without a parent is refused', async (t) => {
  const folder = await scratchFolder(t);
  await mkdir(`${folder}-elsewhere`);
  await symlink(`${folder}-elsewhere`, folder);
  for (const mode of ['write', 'read'] as const) {
    const error = await refusal(folder, mode);
    assert.equal(error.code, 'STATE');
    assert.match(error.message, /it is a symbolic link$/);
  }
  assert.deepEqual(await readdir(`${folder}-elsewhere`), []);

  const file = join(dirname(folder), 'file');
  await writeFile(file, '');
  assert.match((await refusal(file, 'write')).message, /it is not a folder$/);
  assert.equal((await refusal(join(folder, 'no', 'parent'), 'write')).code, 'IO');
});

test('a state that is not there reads as empty and is not created', async (t) => {
  const folder = await scratchFolder(t);
  for (const prepare of [async () => {}, () => mkdir(folder), () => writeFile(join(folder, 'state.db'), '')]) {
    await prepare();
    const state = await openState(folder, { mode: 'read' });
    assert.deepEqual(await state.meta(), {});
    assert.deepEqual(await state.base(), []);
    assert.deepEqual(await state.conflicts(), []);
    assert.deepEqual(await state.holds(), []);
    assert.deepEqual(await state.tombstones(), []);
    assert.deepEqual(await state.history(), []);
    assert.equal(await state.intent(), null);
    assert.equal(await state.batch(txid(1)), null);
    assert.equal(await state.blob(txid(1)), null);
    assert.equal((await state.trusted()).size, 0);
    assert.equal(await state.lastTrusted(), null);
    await state.close();
  }
  assert.deepEqual(await readdir(folder), ['state.db']);
  assert.equal((await lstat(join(folder, 'state.db'))).size, 0);
});

test('a state opened for reading refuses to be changed', async (t) => {
  const folder = await scratchFolder(t);
  await (await openState(folder, { mode: 'write' })).close();
  const state = await openState(folder, { mode: 'read' });
  t.after(() => state.close());
  const one = batch(1, [operation('a', null, 'A')]);
  for (const change of [
    () => state.setMeta({ head: 'x' }),
    () => state.begin(one, new Map()),
    () => state.finish(completion(one)),
    () => state.abandon(one.txid),
    () => state.trust(txid(1), '{}', 1),
    () => state.forgetBase(),
  ]) {
    await assert.rejects(change, { code: 'INTERNAL', message: 'Refused to change a state that was opened for reading' });
  }
});

test('reading changes no byte of a state whose writer was killed, and sees all it had finished', async (t) => {
  const folder = await scratchFolder(t);
  await (await openState(folder, { mode: 'write' })).close();
  const child = startChild(new URL('./writing-child.ts', import.meta.url), [folder]);
  await child.lines.until((lines) => lines.includes('done 3'));
  await child.kill();
  const path = join(folder, 'state.db');
  const wal = (await lstat(`${path}-wal`)).size;
  assert.ok(wal > 0, 'the killed writer left a WAL');
  const before = digest(await readFile(path));
  const state = await openState(folder, { mode: 'read' });
  assert.ok((await state.base()).length > 0);
  await state.close();
  assert.equal(digest(await readFile(path)), before);
  assert.equal((await lstat(`${path}-wal`)).size, wal);
});

test('a newer state is refused by both versions', async (t) => {
  const folder = await scratchFolder(t);
  await (await openState(folder, { mode: 'write' })).close();
  const raw = await openSqlite(join(folder, 'state.db'));
  t.after(() => raw.close());
  await raw.exec('PRAGMA user_version = 7');
  for (const mode of ['write', 'read'] as const) {
    const error = await refusal(folder, mode);
    assert.equal(error.code, 'STATE');
    assert.equal(error.message, `The state "${join(folder, 'state.db')}" has version 7, but this sync-run knows version 1`);
    assert.match(error.hint ?? '', /^Update sync-run/);
    const moves = ['', '-wal', '-shm'].map((end) => `mv "${folder}/state.db${end}" "${folder}/state.db.bad${end}"`);
    assert.ok(error.hint?.includes(moves.join(' && ')), error.hint);
  }
});

test('the command an error about a corrupt state gives sets it aside and loses nothing', async (t) => {
  const folder = `${await scratchFolder(t)} $x "y"`;
  await mkdir(folder);
  for (const name of ['state.db.bad', 'state.db.bad2']) {
    await writeFile(join(folder, 'state.db'), `no database, ${name}`);
    for (const mode of ['write', 'read'] as const) {
      const error = await refusal(folder, mode);
      assert.equal(error.code, 'STATE');
      assert.match(error.message, /^The state ".*state\.db" is corrupt: /);
      assert.match(error.hint ?? '', /\nNothing is deleted by that/);
    }
    const { hint } = await refusal(folder, 'write');
    await run('sh', ['-c', /: (mv .*)\n/.exec(hint ?? '')?.[1] ?? 'false']);
    assert.equal(await readFile(join(folder, name), 'utf8'), `no database, ${name}`);
    const state = await openState(folder, { mode: 'write' });
    assert.deepEqual(await state.base(), []);
    await state.close();
  }
  assert.equal(await readFile(join(folder, 'state.db.bad'), 'utf8'), 'no database, state.db.bad');
});

test('a database without a version is not taken for a state', async (t) => {
  const folder = await scratchFolder(t);
  await mkdir(folder);
  const raw = await openSqlite(join(folder, 'state.db'), { create: true, exec: 'CREATE TABLE base (x)' });
  await raw.close();
  assert.match((await refusal(folder, 'write')).message, /is corrupt: it has tables but no version$/);
  assert.match((await refusal(folder, 'read')).message, /is corrupt: it has tables but no version$/);
});

test('damage found only while reading is named as such', async (t) => {
  const folder = await scratchFolder(t);
  const names = Array.from({ length: 500 }, (_, i) => `item${i}`);
  const state = await openState(folder, { mode: 'write' });
  const set = names.map((name) => entry(name, name));
  await state.finish(completion(batch(1, []), { set, blobs: blobsOf(...names) }));
  await state.close();
  const file = await open(join(folder, 'state.db'), 'r+');
  const { size } = await file.stat();
  for (let page = 25; page < size / 4096; page++) await file.write(new Uint8Array(4096).fill(0xa5), 0, 4096, page * 4096);
  await file.close();
  const damaged = await openState(folder, { mode: 'read' });
  t.after(() => damaged.close());
  await assert.rejects(damaged.base(), (error: SyncError) => {
    assert.equal(error.code, 'STATE');
    assert.match(error.message, /is corrupt: database disk image is malformed$/);
    assert.match(error.hint ?? '', /mv ".*state\.db" ".*state\.db\.bad"/);
    return true;
  });
});

test('a rival that writes to the new state in the same moment is waited for', async (t) => {
  const folder = await scratchFolder(t);
  await mkdir(folder, { mode: 0o700 });
  const rival = await openSqlite(join(folder, 'state.db'), { create: true, exec: 'BEGIN IMMEDIATE' });
  t.after(() => rival.close());
  const opening = openState(folder, { mode: 'write' });
  // Long enough to be turned away. If it were not, the test could only pass.
  await Promise.race([opening, setTimeout(300)]);
  await rival.close();
  const state = await opening;
  t.after(() => state.close());
  assert.deepEqual(await state.meta(), {});
});

test('several may create the state at once', async (t) => {
  const folder = await scratchFolder(t);
  const states = await Promise.all(Array.from({ length: 6 }, () => openState(folder, { mode: 'write' })));
  await Promise.all(states.map((state, i) => state.setMeta({ [`writer${i}`]: 'here' })));
  const [first] = states;
  assert.equal(Object.keys((await first?.meta()) ?? {}).length, 6);
  await Promise.all(states.map((state) => state.close()));
});
