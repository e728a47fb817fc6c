import assert from 'node:assert/strict';
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { digest } from '../../src/core/digest.ts';
import { openSqlite } from '../../src/sqlite/thread.ts';
import { openStore } from '../../src/store/open.ts';
import { RefusedError, RetryError } from '../../src/store/store.ts';
import { openBench, shape } from '../helpers/stores.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const PAGES = 'CREATE TABLE pages (id INTEGER PRIMARY KEY, name TEXT NOT NULL, body TEXT)';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sync-run-sqlite-'));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

test('a whole row that was deleted is put back as it was', async (t) => {
  const { store, sql } = await openBench(
    t,
    'sqlite',
    `CREATE TABLE pages (id INTEGER PRIMARY KEY, name TEXT, body TEXT, whole INTEGER, num NUMERIC, re REAL, plain, raw BLOB, at DATETIME)`,
  );
  await sql(`INSERT INTO pages VALUES
    (1, 'é', 'A', 9223372036854775807, 1.5, 3, 5, x'00ff', '2024-01-01 00:00:00'),
    (2, CAST(x'ff61' AS TEXT), NULL, 'not a number', '007', 1e300, 5.0, 'text', 1700000000),
    (3, x'6162', '', 1e20, 9e999, -9e999, '5', NULL, NULL),
    (-4, 'a' || char(0) || 'b', x'626c6f62', 9007199254740993, 0.1, 0.1, 9007199254740993, 12, ''),
    (5, '', 'x', '', NULL, NULL, x'', 1.25, 0.0)`);
  const columns = ['id', 'name', 'body', 'whole', 'num', 're', 'plain', 'raw', 'at'];
  const dump = () =>
    sql(`SELECT ${columns.map((name) => `typeof(${name}) || ':' || hex(CAST(${name} AS BLOB)) AS ${name}`).join()} FROM pages ORDER BY id`);
  const before = await dump();
  const rows = shape('pages');
  const pks = (await store.read((session) => session.scan(rows))).map(({ pk }) => pk);
  const locked = await store.begin((session) => session.lock(rows, pks));
  assert.equal(locked.size, 5);
  const kept = JSON.parse(JSON.stringify([...locked].map(([pk, { image, text }]) => [pk, image, Buffer.from(text).toString()]))) as [
    string,
    never,
    string,
  ][];
  await store.begin(async (session) => {
    for (const [pk, , text] of kept) assert.equal(await session.delete(rows, pk, bytes(text)), true);
  });
  assert.deepEqual(await dump(), []);
  await store.begin(async (session) => {
    for (const [pk, image, text] of kept) assert.equal(await session.insert(rows, image, bytes(text)), pk);
  });
  // The content is written as a text, also where a BLOB was in a text column.
  const expected = before.map((row) => ({ ...row, body: String(row['body']).replace('blob:', 'text:') }));
  assert.deepEqual(await dump(), expected);
});

test('texts are bytes: BLOB cells, invalid UTF-8 and NUL are read as they are', async (t) => {
  const { store, sql } = await openBench(t, 'sqlite', PAGES);
  await sql(
    `INSERT INTO pages VALUES (1, 'blob', x'c328'), (2, 'text', CAST(x'c328' AS TEXT)), (3, 'nul', 'a' || char(0) || 'b'), (4, x'6b6579', 'key'), (5, CAST(x'ff' AS TEXT), 'bad')`,
  );
  const rows = shape('pages');
  const scan = await store.read((session) => session.scan(rows));
  assert.deepEqual(
    scan.map(({ digest: sum }) => sum).slice(0, 3),
    [Buffer.from('c328', 'hex'), Buffer.from('c328', 'hex'), bytes('a\0b')].map(digest),
  );
  assert.equal(scan[2]?.size, 3);
  assert.deepEqual(await store.read((session) => session.find(rows, { name: 'key' })), ['["4"]'], 'a key that is stored as a BLOB');
  assert.deepEqual(scan[4]?.key, { name: '\udcff' }, 'bytes that are no text are a lone surrogate, which no path can hold');
  assert.deepEqual(await store.read((session) => session.find(rows, { name: '\udcff' })), ['["5"]']);
});

test('tables WITHOUT ROWID, STRICT, and without a primary key', async (t) => {
  const { store, sql } = await openBench(
    t,
    'sqlite',
    `CREATE TABLE pages (name TEXT PRIMARY KEY, body TEXT) WITHOUT ROWID;
    CREATE TABLE exact (id INTEGER PRIMARY KEY, name ANY, body TEXT) STRICT;
    CREATE TABLE keyless (name TEXT, body TEXT); CREATE TABLE textual (id INT PRIMARY KEY, body INTEGER, x CLOB, y, UNIQUE (x, y))`,
  );
  const rows = shape('pages', { primaryKey: ['name'] });
  const pk = await store.begin((session) => session.insert(rows, { name: { s: 'a' } }, bytes('A')));
  assert.equal(pk, '["a"]');
  assert.equal(await store.begin((session) => session.update(rows, pk, { name: { s: 'b' } }, null, bytes('A'))), true);
  assert.deepEqual(
    (await store.read((session) => session.scan(rows))).map((row) => row.pk),
    ['["b"]'],
  );
  const strict = shape('exact');
  await store.begin((session) => session.insert(strict, { name: { s: '7' } }, bytes('A')));
  assert.equal((await sql('SELECT typeof(name) AS type FROM exact'))[0]?.['type'], 'text');
  assert.deepEqual((await store.describe('keyless'))?.primaryKey, []);
  const textual = await store.describe('textual');
  assert.deepEqual(
    textual?.columns.map(({ text }) => text),
    [null, null, 'text', 'text'],
    'a column with INTEGER affinity holds no text',
  );
  assert.equal(textual?.columns[0]?.autoIncrement, false, 'INT is not the rowid');
  assert.deepEqual(textual?.uniques, [['id'], ['x', 'y']]);
});

test('a trigger that takes the whole transaction back ends the batch', async (t) => {
  const { store, sql } = await openBench(
    t,
    'sqlite',
    `${PAGES};
    CREATE TRIGGER guard BEFORE INSERT ON pages WHEN new.name = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'not this one'); END;
    CREATE TRIGGER mild BEFORE INSERT ON pages WHEN new.name = 'mild' BEGIN SELECT RAISE(ABORT, 'only this one'); END`,
  );
  const insert = (name: string) => (session: Parameters<Parameters<typeof store.begin>[0]>[0]) =>
    session.insert(shape('pages'), { name: { s: name } }, bytes('x'));
  await assert.rejects(
    store.begin(async (session) => {
      await insert('a')(session);
      await assert.rejects(insert('bad')(session));
      await insert('b')(session);
    }),
    { code: 'DATABASE' },
  );
  assert.deepEqual(await sql('SELECT * FROM pages'), [], 'nothing was written outside of the transaction');
  await store.begin(async (session) => {
    await insert('c')(session);
    await assert.rejects(insert('mild')(session), (error: unknown) => error instanceof RefusedError && /only this one/.test(error.message));
  });
  assert.deepEqual(
    (await sql('SELECT name FROM pages')).map(({ name }) => name),
    ['c'],
  );
});

test('a database another program writes to ends in RetryError', async (t) => {
  const { store, sql } = await openBench(t, 'sqlite', PAGES);
  await sql('BEGIN IMMEDIATE');
  await assert.rejects(
    store.begin((session) => session.scan(shape('pages'))),
    RetryError,
    'a batch begins by being the only one that writes',
  );
  await sql('ROLLBACK');
  assert.deepEqual(await store.begin((session) => session.scan(shape('pages'))), []);
});

test('files that are no databases are refused and never made', async (t) => {
  const path = await folder(t);
  const missing = join(path, 'missing.db');
  await assert.rejects(openStore(`sqlite:${missing}`, '/'), { code: 'UNREACHABLE', exitCode: 3, message: /missing\.db/ });
  await assert.rejects(access(missing));
  await mkdir(join(path, 'folder'));
  await assert.rejects(openStore('sqlite:folder', path), { code: 'UNREACHABLE', message: /not a file/ });
  await writeFile(join(path, 'text.db'), 'this is a text and no database at all '.repeat(50));
  await assert.rejects(openStore('sqlite:text.db', path), { code: 'DATABASE', message: /not a SQLite database/ });
  const utf16 = await openSqlite(join(path, 'utf16.db'), { create: true, exec: `PRAGMA encoding = 'UTF-16le'; ${PAGES}` });
  await utf16.close();
  await assert.rejects(openStore('sqlite:utf16.db', path), { code: 'DATABASE', message: /UTF-16le/ });
});

test('odd characters of a path are part of it', async (t) => {
  const path = await folder(t);
  const name = 'a b%20?mode=memory#é.db';
  await (await openSqlite(join(path, name), { create: true, exec: PAGES })).close();
  const store = await openStore(`sqlite:${name}`, path);
  t.after(() => store.close());
  assert.deepEqual(await store.tables(), ['pages']);
  assert.match((await store.identity()).server, /a b%20\?mode=memory#é\.db/);
});

test('every foreign key that points at a table is named, enforced or not', async (t) => {
  const { store } = await openBench(
    t,
    'sqlite',
    `${PAGES}; CREATE TABLE notes (page INTEGER REFERENCES Pages, other INTEGER REFERENCES pages (id) ON DELETE SET NULL)`,
  );
  assert.deepEqual((await store.describe('pages'))?.pointing, [
    { table: 'notes', columns: ['other'], references: ['id'], harmedBy: ['delete', 'rename'] },
    { table: 'notes', columns: ['page'], references: ['id'], harmedBy: ['delete', 'rename'] },
  ]);
});
