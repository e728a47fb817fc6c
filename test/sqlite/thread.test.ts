import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { digest } from '../../src/core/digest.ts';
import { openSqlite, SqliteError, type OpenOptions } from '../../src/sqlite/thread.ts';

async function file(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sync-run-sqlite-'));
  t.after(() => rm(folder, { recursive: true }));
  return join(folder, 'a.db');
}

async function open(t: TestContext, path: string, options: OpenOptions = { create: true }) {
  const thread = await openSqlite(path, options);
  t.after(() => thread.close());
  return thread;
}

test('values come back as they went in, integers beyond 2^53 too', async (t) => {
  const db = await open(t, await file(t));
  await db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v)');
  const large = new Uint8Array(300_000).fill(7);
  const part = new Uint8Array(1000).fill(1).subarray(10, 13);
  const values = ['a\u00e9', 1.5, 7n, 2n ** 53n + 1n, -(2n ** 63n), null, new Uint8Array(), large, part, Buffer.from('pooled')];
  for (const value of values) await db.run('INSERT INTO t (v) VALUES (?)', [value]);
  const rows = await db.all('SELECT v FROM t ORDER BY id');
  const expected = [
    'a\u00e9',
    1.5,
    7,
    2n ** 53n + 1n,
    -(2n ** 63n),
    null,
    new Uint8Array(),
    large,
    new Uint8Array(part),
    new Uint8Array(Buffer.from('pooled')),
  ];
  assert.deepEqual(
    rows.map(({ v }) => v),
    expected,
  );
  assert.equal(large.length, 300_000, 'what was given stays with the caller');
  const [row] = await db.all('SELECT sync_run_sha256(?) AS one, sync_run_sha256(NULL) AS two', [large]);
  assert.deepEqual({ ...row }, { one: digest(large), two: null });
});

test('a transaction is one message and leaves nothing behind when it fails', async (t) => {
  const db = await open(t, await file(t));
  await db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE)');
  const results = await db.transaction([
    { sql: 'INSERT INTO t (v) VALUES (?)', rows: [['a'], ['b'], ['c']] },
    { sql: 'UPDATE t SET v = v || ?', params: ['!'] },
    { sql: 'DELETE FROM t WHERE id = 99' },
    { sql: 'INSERT INTO t (v) VALUES (?)', rows: [] },
  ]);
  assert.deepEqual(
    results.map(({ changes }) => changes),
    [3, 3, 0, 0],
  );
  assert.equal(results[0]?.lastInsertRowid, 3);
  await assert.rejects(
    db.transaction([{ sql: 'DELETE FROM t' }, { sql: 'INSERT INTO t (v) VALUES (?)', rows: [['x'], ['x']] }]),
    (error: unknown) => {
      assert.ok(error instanceof SqliteError);
      assert.equal(error.errcode, 2067);
      assert.match(error.message, /UNIQUE constraint failed: t\.v/);
      return true;
    },
  );
  assert.deepEqual(
    (await db.all('SELECT v FROM t')).map(({ v }) => v),
    ['a!', 'b!', 'c!'],
  );
  await db.transaction([{ sql: 'DELETE FROM t' }]);
});

test('a missing file is made only when asked for, a read-only connection does not write', async (t) => {
  const path = await file(t);
  await assert.rejects(openSqlite(path), { name: 'SqliteError', errcode: 14 });
  const db = await open(t, path);
  await db.exec('CREATE TABLE t (v)');
  const reader = await open(t, path, { readOnly: true });
  await assert.rejects(
    reader.run('INSERT INTO t VALUES (1)'),
    (error: unknown) => error instanceof SqliteError && (error.errcode & 0xff) === 8,
  );
  await assert.rejects(openSqlite(path, { exec: 'no sql' }), { name: 'SqliteError', errcode: 1 });
});

test('requests finish before the connection closes, and fail after', async (t) => {
  const db = await open(t, await file(t));
  const asked = db.all('SELECT 1 AS one');
  await Promise.all([db.close(), db.close()]);
  assert.equal((await asked)[0]?.['one'], 1);
  await assert.rejects(db.all('SELECT 1'), { name: 'SqliteError', message: 'The connection is closed' });
});

test('what cannot be bound fails that request alone', async (t) => {
  const db = await open(t, await file(t));
  await assert.rejects(db.all('SELECT ?', [(() => 1) as never]));
  await assert.rejects(db.all('SELECT ?', [2n ** 70n]));
  assert.equal((await db.all('SELECT 2 AS two'))[0]?.['two'], 2);
});

test('a process that closes its connections ends, without a warning on stderr', async (t) => {
  const path = await file(t);
  const script = join(path, '..', 'use.ts');
  const url = new URL('../../src/sqlite/thread.ts', import.meta.url).href;
  await writeFile(
    script,
    `import { openSqlite } from ${JSON.stringify(url)};
const db = await openSqlite(${JSON.stringify(path)}, { create: true });
console.log((await db.all('SELECT 1 AS one'))[0].one);
await db.close();
process.emitWarning('still heard');
`,
  );
  const args = 'Deno' in globalThis ? ['run', '-A', '--no-check', script] : [script];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
  assert.equal(stdout, '1\n');
  assert.doesNotMatch(stderr, /ExperimentalWarning|SQLite/);
  assert.match(stderr, /still heard/);
});
