import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest, EMPTY_DIGEST } from '../../src/core/digest.ts';
import type { PrimaryKey } from '../../src/core/model.ts';
import type { RowShape } from '../../src/core/table.ts';
import { RefusedError, type Session } from '../../src/store/store.ts';
import { openBench, quote, shape, type Kind } from '../helpers/stores.ts';

const KINDS: Kind[] = ['innodb', 'myisam', 'sqlite'];
const bytes = (text: string): Uint8Array => Buffer.from(text);

async function textsOf(session: Session, rows: RowShape, pks: readonly PrimaryKey[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const chunk of session.texts(rows, pks)) for (const { pk, text } of chunk) found[pk] = Buffer.from(text).toString();
  return found;
}

/** What strings that mean something to SQL, JSON or JavaScript must go through unchanged. */
const CORPUS = [
  `'; DROP TABLE t; --`,
  `" OR 1=1 --`,
  '`',
  '\\',
  `\\'`,
  '?',
  '??',
  ':name',
  '$1',
  '%s',
  '{"a":1}',
  '["id"]',
  'NULL',
  '0x41',
  '\0',
  'a\0b',
  '\r',
  '\n',
  '\r\n',
  '\u001a',
  '😀',
  'é',
  'e\u0301',
  'ß',
  'ss',
  'A',
  'a',
  '\u202e',
  '__proto__',
  'constructor',
  "¿'",
  '\u{10FFFF}',
  'x'.repeat(100_000),
];

for (const kind of KINDS) {
  const q = (name: string): string => quote(kind, name);
  const autoincrement = kind === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INT UNSIGNED AUTO_INCREMENT PRIMARY KEY';
  const longText = kind === 'sqlite' ? 'TEXT' : 'MEDIUMTEXT';
  const pages = `CREATE TABLE pages (id ${autoincrement}, name VARCHAR(120) NOT NULL, body ${longText}, lang VARCHAR(5) NOT NULL DEFAULT 'en', hits BIGINT NOT NULL DEFAULT 0) {engine}`;

  test(`${kind}: a scan has keys, digests and sizes; NULL is the empty text`, async (t) => {
    const { store, sql } = await openBench(t, kind, pages);
    await sql(`INSERT INTO pages (id, name, body) VALUES (1, 'a', 'één'), (2, 'b', ''), (3, 'c', NULL)`);
    const rows = await store.read((session) => session.scan(shape('pages')));
    assert.deepEqual(rows, [
      { pk: '["1"]', key: { name: 'a' }, digest: digest(bytes('één')), size: 5 },
      { pk: '["2"]', key: { name: 'b' }, digest: EMPTY_DIGEST, size: 0 },
      { pk: '["3"]', key: { name: 'c' }, digest: EMPTY_DIGEST, size: 0 },
    ]);
    const texts = await store.read(async (session) => {
      const all = [];
      for await (const chunk of session.scanTexts(shape('pages'))) all.push(...chunk);
      return all.map(({ text, ...row }) => ({ ...row, text: Buffer.from(text).toString() }));
    });
    assert.deepEqual(
      texts,
      rows.map((row, index) => ({ ...row, text: ['één', '', ''][index] })),
    );
  });

  test(`${kind}: names with quotes, dots and odd words are names`, async (t) => {
    for (const odd of ['a"b', 'a`b', 'a.b', "a'b", 'sel ect', '?', 'select', '__proto__', 'ü']) {
      const table = `t ${odd}`;
      const { store, sql } = await openBench(
        t,
        kind,
        `CREATE TABLE ${q(table)} (${q(`id${odd}`)} ${autoincrement}, ${q(`name${odd}`)} VARCHAR(50), ${q(odd)} TEXT) {engine}`,
      );
      const rows: RowShape = { table, primaryKey: [`id${odd}`], keyColumns: [`name${odd}`], content: odd, where: {} };
      const pk = await store.begin((session) => session.insert(rows, { [`name${odd}`]: { s: 'n' } }, bytes('text')));
      assert.equal(await store.begin((session) => session.update(rows, pk, {}, bytes('new'), bytes('text'))), true);
      assert.deepEqual(await store.read((session) => session.find(rows, { [`name${odd}`]: 'n' })), [pk]);
      const locked = await store.begin((session) => session.lock(rows, [pk]));
      assert.equal(Buffer.from(locked.get(pk)?.text ?? '').toString(), 'new');
      assert.deepEqual(await store.tables(), [table]);
      assert.deepEqual((await store.describe(table))?.primaryKey, [`id${odd}`]);
      assert.equal((await sql(`SELECT ${q(odd)} AS body FROM ${q(table)}`))[0]?.['body'], 'new');
    }
  });

  test(`${kind}: no value is taken for SQL`, async (t) => {
    const { store, sql } = await openBench(
      t,
      kind,
      `${pages}; CREATE TABLE ${q('other')} (id ${autoincrement}, name VARCHAR(9), body TEXT) {engine}`,
    );
    await sql(`INSERT INTO other (name, body) VALUES ('x', 'y')`);
    const rows = shape('pages');
    const written = new Map<PrimaryKey, string>();
    for (const value of CORPUS) {
      const name = value.slice(0, 100);
      const pk = await store.begin((session) => session.insert(rows, { name: { s: name } }, bytes(value)));
      written.set(pk, value);
      assert.deepEqual(await store.read((session) => session.find(rows, { name })), [pk], JSON.stringify(name));
      assert.equal(await store.begin((session) => session.update(rows, pk, { lang: { s: 'de' } }, null, bytes(value))), true);
    }
    const texts = await store.read((session) => textsOf(session, rows, [...written.keys()]));
    assert.deepEqual(texts, Object.fromEntries(written));
    const scan = await store.read((session) => session.scan(rows));
    assert.deepEqual(
      new Map(scan.map(({ pk, digest: sum }) => [pk, sum])),
      new Map([...written].map(([pk, value]) => [pk, digest(bytes(value))])),
    );
    assert.equal((await sql('SELECT COUNT(*) AS n FROM other'))[0]?.['n']?.toString(), '1');
    for (const [pk, value] of written) {
      assert.equal(await store.begin((session) => session.delete(rows, pk, bytes(`${value}x`))), false);
      assert.equal(await store.begin((session) => session.delete(rows, pk, bytes(value))), true);
    }
    assert.deepEqual(await store.read((session) => session.scan(rows)), []);
  });

  test(`${kind}: keys are told apart by their bytes`, async (t) => {
    const key = kind === 'sqlite' ? 'TEXT COLLATE NOCASE' : 'VARCHAR(50) COLLATE utf8mb4_general_ci';
    const { store, sql } = await openBench(t, kind, `CREATE TABLE pages (id ${autoincrement}, name ${key}, body TEXT) {engine}`);
    await sql(`INSERT INTO pages (id, name, body) VALUES (1, 'Ab', '1'), (2, 'ab', '2'), (3, 'ab ', '3'), (4, 'áb', '4'), (5, NULL, '5')`);
    const find = (name: string | null) => store.read((session) => session.find(shape('pages'), { name }));
    assert.deepEqual(await find('ab'), ['["2"]'], 'a key is no other one that its collation takes for it');
    assert.deepEqual(await find('ab '), ['["3"]']);
    assert.deepEqual(await find('áb'), ['["4"]']);
    assert.deepEqual(await find(null), ['["5"]']);
    assert.deepEqual(await find('AB'), []);
    const where = shape('pages', { where: { name: 'ab' } });
    assert.deepEqual(
      (await store.read((session) => session.scan(where))).map(({ pk }) => pk),
      ['["2"]'],
    );
  });

  test(`${kind}: constants of every type select rows`, async (t) => {
    const { store, sql } = await openBench(t, kind, pages);
    await sql(`INSERT INTO pages (id, name, body, hits) VALUES (1, 'a', NULL, 1), (2, 'b', 'x', 0), (3, 'c', 'x', -7)`);
    const pks = async (where: RowShape['where']) =>
      (await store.read((session) => session.scan(shape('pages', { where })))).map(({ pk }) => pk).join();
    assert.equal(await pks({ hits: -7 }), '["3"]');
    assert.equal(await pks({ hits: true }), '["1"]');
    assert.equal(await pks({ hits: false, name: 'b' }), '["2"]');
    assert.equal(await pks({ body: null }), '["1"]');
    assert.equal(await pks({ lang: 'de' }), '');
  });

  test(`${kind}: an integer key is exact beyond 2^53`, async (t) => {
    const { store, sql } = await openBench(t, kind, `CREATE TABLE pages (id BIGINT PRIMARY KEY, name VARCHAR(9), body TEXT) {engine}`);
    await sql(`INSERT INTO pages VALUES (9007199254740992, 'a', 'A'), (9007199254740993, 'b', 'B'), (-9223372036854775808, 'c', 'C')`);
    const rows = shape('pages');
    const scan = await store.read((session) => session.scan(rows));
    assert.deepEqual(scan.map(({ pk }) => pk).toSorted(), ['["-9223372036854775808"]', '["9007199254740992"]', '["9007199254740993"]']);
    assert.equal(await store.begin((session) => session.update(rows, '["9007199254740993"]', {}, bytes('new'), bytes('B'))), true);
    assert.equal(await store.begin((session) => session.update(rows, '["-9223372036854775808"]', {}, bytes('min'), bytes('C'))), true);
    const texts = await store.read((session) =>
      textsOf(
        session,
        rows,
        scan.map(({ pk }) => pk),
      ),
    );
    assert.deepEqual(texts, { '["-9223372036854775808"]': 'min', '["9007199254740992"]': 'A', '["9007199254740993"]': 'new' });
  });

  test(`${kind}: primary keys of several columns, of text and of bytes`, async (t) => {
    const binary = kind === 'sqlite' ? 'BLOB' : 'VARBINARY(16)';
    const { store, sql } = await openBench(
      t,
      kind,
      `CREATE TABLE pages (a VARCHAR(20) NOT NULL, b ${binary} NOT NULL, name VARCHAR(9), body TEXT, PRIMARY KEY (a, b)) {engine}`,
    );
    await sql(`INSERT INTO pages VALUES ('é"', x'00ff', 'n1', 'A'), ('é"', x'00', 'n2', 'B')`);
    const rows = shape('pages', { primaryKey: ['a', 'b'] });
    const pks = (await store.read((session) => session.scan(rows))).map(({ pk }) => pk).toSorted();
    assert.deepEqual(pks, ['["é\\"",{"x":"00"}]', '["é\\"",{"x":"00ff"}]']);
    assert.deepEqual(await store.read((session) => textsOf(session, rows, pks)), { [pks[0] ?? '']: 'B', [pks[1] ?? '']: 'A' });
    const pk = await store.begin((session) => session.insert(rows, { a: { s: 'z' }, b: { x: '01' }, name: { s: 'n3' } }, bytes('C')));
    assert.equal(pk, '["z",{"x":"01"}]');
    assert.equal(await store.begin((session) => session.delete(rows, pk, bytes('C'))), true);
    assert.equal(await store.begin((session) => session.update(rows, pks[1] ?? '', { name: { s: 'n9' } }, bytes('A2'), bytes('A'))), true);
    assert.deepEqual(
      [...(await store.begin((session) => session.lock(rows, pks))).values()].map(({ key }) => `${key['name']}`).toSorted(),
      ['n2', 'n9'],
    );
  });

  test(`${kind}: many rows are read in chunks, each once`, async (t) => {
    const { store, sql } = await openBench(t, kind, pages);
    const values = Array.from({ length: 1234 }, (_, index) => `(${index + 1}, 'n${index}', 'text ${index}')`);
    await sql(`INSERT INTO pages (id, name, body) VALUES ${values.join()}`);
    const pks = [...Array.from({ length: 1234 }, (_, index) => JSON.stringify([String(index + 1)])), '["99999"]'];
    await store.begin(async (session) => {
      const texts = await textsOf(session, shape('pages'), pks);
      assert.equal(Object.keys(texts).length, 1234);
      assert.equal(texts['["1234"]'], 'text 1233');
      assert.equal((await session.lock(shape('pages'), pks)).size, 1234);
    });
  });

  test(`${kind}: large texts come in chunks bounded by bytes`, async (t) => {
    const { store, sql } = await openBench(t, kind, pages);
    const repeat = kind === 'sqlite' ? `replace(hex(zeroblob(1500000)), '0', 'x')` : `REPEAT('x', 3000000)`;
    for (const id of [1, 2, 3, 4]) await sql(`INSERT INTO pages (id, name, body) VALUES (${id}, 'n', ${repeat})`);
    const sizes: number[] = [];
    await store.read(async (session) => {
      for await (const chunk of session.texts(shape('pages'), ['["1"]', '["2"]', '["3"]', '["4"]'])) {
        sizes.push(chunk.reduce((sum, { text }) => sum + text.length, 0));
      }
    });
    assert.deepEqual(sizes, [6_000_000, 6_000_000]);
  });

  test(`${kind}: a refused statement leaves the rest of the transaction standing`, async (t) => {
    const { store, sql } = await openBench(
      t,
      kind,
      `CREATE TABLE pages (id ${autoincrement}, name VARCHAR(50) NOT NULL UNIQUE, body TEXT, hits INT CHECK (hits < 10)) {engine}`,
    );
    await sql(`INSERT INTO pages (id, name, body) VALUES (1, 'a', 'A')`);
    const rows = shape('pages');
    await store.begin(async (session) => {
      await session.insert(rows, { name: { s: 'b' } }, bytes('B'));
      await assert.rejects(session.insert(rows, { name: { s: 'a' } }, bytes('twin')), RefusedError);
      await assert.rejects(session.insert(rows, { name: { s: 'c' }, hits: { s: '11' } }, bytes('check')), RefusedError);
      await assert.rejects(session.insert(rows, { name: null }, bytes('null')), RefusedError);
      await session.insert(rows, { name: { s: 'd' } }, bytes('D'));
    });
    assert.deepEqual(
      (await sql('SELECT name FROM pages ORDER BY name')).map(({ name }) => name),
      ['a', 'b', 'd'],
    );
  });

  test(`${kind}: the text must still be the expected one`, async (t) => {
    const { store, sql } = await openBench(t, kind, pages);
    await sql(`INSERT INTO pages (id, name, body) VALUES (1, 'a', 'Old'), (2, 'b', NULL)`);
    const rows = shape('pages');
    assert.equal(
      await store.begin((session) => session.update(rows, '["1"]', {}, bytes('new'), bytes('old'))),
      false,
      'a text that only a collation takes for the expected one is not replaced',
    );
    assert.equal(await store.begin((session) => session.update(rows, '["1"]', {}, bytes('new'), bytes(''))), false);
    assert.equal(
      await store.begin((session) => session.update(rows, '["1"]', {}, bytes('Old'), bytes('Old'))),
      true,
      'a row that stays as it is was matched',
    );
    assert.equal(await store.begin((session) => session.update(rows, '["2"]', {}, bytes('new'), bytes(''))), true);
    assert.equal(await store.begin((session) => session.update(rows, '["3"]', {}, bytes('new'), bytes(''))), false);
    assert.deepEqual(
      (await sql('SELECT body FROM pages ORDER BY id')).map(({ body }) => body),
      ['Old', 'new'],
    );
    const texts = (...pks: PrimaryKey[]) => pks.map((pk) => ({ pk, text: bytes('together') }));
    assert.equal(await store.begin((session) => session.updateTexts(rows, {}, texts('["1"]', '["2"]'))), true);
    assert.equal(
      await store.begin((session) => session.updateTexts(rows, {}, texts('["2"]', '["3"]'))),
      false,
      'a row that is gone from among many is noticed',
    );
  });

  test(`${kind}: a name that would end its quotes changes no other column`, async (t) => {
    // What comes of these without doubled quotes is a statement that databases take.
    const odd = kind === 'sqlite' ? `note" = 'gone', "lang` : "note` = 'gone', `lang";
    const columns = `id ${autoincrement}, name VARCHAR(20), body TEXT, lang VARCHAR(20), note VARCHAR(20), ${q(odd)} VARCHAR(20)`;
    const { store, sql } = await openBench(t, kind, `CREATE TABLE pages (${columns}) {engine}`);
    await sql(`INSERT INTO pages (id, name, body, lang, note) VALUES (1, 'a', 'A', 'en', 'kept')`);
    assert.equal(
      await store.begin((session) => session.update(shape('pages'), '["1"]', { [odd]: { s: 'meant' } }, bytes('B'), bytes('A'))),
      true,
    );
    const [row] = await sql(`SELECT body, lang, note, ${q(odd)} AS odd FROM pages`);
    assert.deepEqual({ ...row }, { body: 'B', lang: 'en', note: 'kept', odd: 'meant' }, 'no column changes but the one that was named');
  });

  test(`${kind}: a value that would end its quotes changes no other cell`, async (t) => {
    const columns = `id ${autoincrement}, name VARCHAR(20), body TEXT, lang VARCHAR(60), note VARCHAR(20)`;
    for (const value of [`de', note = 'gone`, `de\\', note = 0x676f6e65 WHERE id = 2 -- `]) {
      const { store, sql } = await openBench(t, kind, `CREATE TABLE pages (${columns}) {engine}`);
      await sql(`INSERT INTO pages VALUES (1, 'a', 'A', 'en', 'kept'), (2, 'b', 'B', 'en', 'kept')`);
      await store.begin((session) => session.update(shape('pages'), '["1"]', { lang: { s: value } }, bytes('new'), bytes('A')));
      assert.deepEqual(
        (await sql('SELECT body, lang, note FROM pages ORDER BY id')).map((row) => ({ ...row })),
        [
          { body: 'new', lang: value, note: 'kept' },
          { body: 'B', lang: 'en', note: 'kept' },
        ],
        'no cell changes but those that were meant',
      );
    }
  });

  test(`${kind}: a trigger that changes the text shows when it is read back`, async (t) => {
    const trigger =
      kind === 'sqlite'
        ? `CREATE TRIGGER tidy AFTER UPDATE ON pages WHEN new.body NOT LIKE '%!' BEGIN UPDATE pages SET body = new.body || '!' WHERE id = new.id; END`
        : `CREATE TRIGGER tidy BEFORE UPDATE ON pages FOR EACH ROW SET NEW.body = CONCAT(NEW.body, '!')`;
    const { store, sql } = await openBench(t, kind, `${pages}; ${trigger}`);
    await sql(`INSERT INTO pages (id, name, body) VALUES (1, 'a', 'A')`);
    await store.begin(async (session) => {
      assert.equal(await session.update(shape('pages'), '["1"]', {}, bytes('B'), bytes('A')), true);
      const row = (await session.lock(shape('pages'), ['["1"]'])).get('["1"]');
      assert.equal(Buffer.from(row?.text ?? '').toString(), 'B!');
      assert.equal(row?.digest, digest(bytes('B!')));
    });
    assert.deepEqual((await store.describe('pages'))?.triggers, ['tidy']);
  });

  test(`${kind}: generated columns are known and left out of images`, async (t) => {
    const { store, sql } = await openBench(
      t,
      kind,
      `CREATE TABLE pages (id ${autoincrement}, name VARCHAR(20), body TEXT, size INT GENERATED ALWAYS AS (length(name)) VIRTUAL, big INT AS (length(name) * 2) STORED) {engine}`,
    );
    await sql(`INSERT INTO pages (id, name, body) VALUES (1, 'abc', 'A')`);
    const rows = shape('pages', { keyColumns: ['size'] });
    const row = await store.begin(async (session) => (await session.lock(rows, ['["1"]'])).get('["1"]'));
    assert.deepEqual(row?.image, { id: { s: '1' }, name: { s: 'abc' } });
    assert.deepEqual(row?.key, { size: '3' });
    const table = await store.describe('pages');
    assert.deepEqual(
      table?.columns.map(({ generated }) => generated),
      [false, false, false, true, true],
    );
    assert.equal(table?.columns[0]?.autoIncrement, true);
  });

  test(`${kind}: stamps fit their columns`, async (t) => {
    const { store } = await openBench(
      t,
      kind,
      `CREATE TABLE pages (id ${autoincrement}, name VARCHAR(50), body TEXT, at DATETIME, seconds INT) {engine}`,
    );
    const table = await store.describe('pages');
    const column = (name: string) => table?.columns.find((candidate) => candidate.name === name) ?? assert.fail(name);
    await store.read(async (session) => {
      const seconds = await session.stamp(column('seconds'), { at: 'unixtime' });
      assert.ok(seconds && 's' in seconds && Math.abs(Number(seconds.s) - Date.now() / 1000) < 60);
      const now = await session.stamp(column('at'), { at: 'now' });
      assert.ok(now && 's' in now && /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(now.s));
      const text = await session.stamp(column('name'), { at: 'unixtime' });
      assert.ok(text && 's' in text && /^\d{10}$/.test(text.s));
      assert.deepEqual(await session.stamp(column('name'), 'x'), { s: 'x' });
      assert.deepEqual(await session.stamp(column('seconds'), 1800), { s: '1800' });
      assert.deepEqual(await session.stamp(column('seconds'), true), { s: '1' });
      assert.equal(await session.stamp(column('seconds'), null), null);
    });
  });

  test(`${kind}: trees and the target are kept in a table of their own`, async (t) => {
    const { store, url } = await openBench(t, kind, pages);
    assert.equal((await store.identity()).id, null);
    assert.equal(await store.read((session) => session.treeTxid('one')), null);
    const made = await Promise.all(['one', 'one', 'two'].map((tree) => store.prepare(tree)));
    assert.equal(new Set(made.map(({ id }) => id)).size, 1, 'inits at the same time agree');
    assert.match(made[0]?.id ?? '', /^[0-9a-f]{32}$/);
    assert.deepEqual(await store.prepare('one'), made[0], 'prepared twice');
    assert.ok(!made[0]?.server.includes(new URL(url).password || '\0'));
    await store.begin(async (session) => {
      await session.lockTarget();
      assert.notEqual(await session.treeTxid('one'), null);
      await session.setTreeTxid('one', 'abc:void');
      await session.setTreeTxid('three', 'def');
    });
    assert.deepEqual(await store.read((session) => Promise.all(['one', 'three', 'four'].map(session.treeTxid))), ['abc:void', 'def', null]);
    assert.deepEqual(await store.tables(), ['pages']);
  });

  test(`${kind}: names of a lookup`, async (t) => {
    const { store, sql } = await openBench(t, kind, `CREATE TABLE sets (sid SMALLINT, title VARCHAR(50)) {engine}`);
    await sql(`INSERT INTO sets VALUES (-2, 'Master'), (1, 'Été'), (3, NULL), (NULL, 'nobody')`);
    const names = await store.read((session) => session.names('sets', 'sid', 'title'));
    assert.deepEqual(names, [
      { key: '-2', name: 'Master' },
      { key: '1', name: 'Été' },
      { key: '3', name: null },
    ]);
  });

  test(`${kind}: an unknown table or column is said so`, async (t) => {
    const { store } = await openBench(t, kind, `${pages}; CREATE VIEW looking AS SELECT * FROM pages`);
    assert.equal(await store.describe('nothing'), null);
    assert.equal(await store.describe('looking'), null, 'a view is no table');
    await assert.rejects(
      store.read((session) => session.scan(shape('pages', { content: 'nope' }))),
      { code: 'CONFIG', message: /"nope"/ },
    );
  });

  if (kind !== 'myisam') {
    test(`${kind}: what throws is taken back, savepoints only their part`, async (t) => {
      const { store, sql } = await openBench(t, kind, pages);
      const insert = (session: Session, name: string) => session.insert(shape('pages'), { name: { s: name } }, bytes('x'));
      const stop = new Error('stop');
      await assert.rejects(
        store.begin(async (session) => {
          await insert(session, 'a');
          throw stop;
        }),
        stop,
      );
      await store.begin(async (session) => {
        await insert(session, 'b');
        await assert.rejects(
          session.sql.begin(async (inner) => {
            await inner`INSERT INTO pages (name) VALUES (${'c'})`;
            throw stop;
          }),
          stop,
        );
        await session.sql.begin(async (inner) => void (await inner`INSERT INTO pages (name) VALUES (${'d'})`));
      });
      assert.deepEqual(
        (await sql('SELECT name FROM pages ORDER BY name')).map(({ name }) => name),
        ['b', 'd'],
      );
      await assert.rejects(store.read((session) => insert(session, 'e')));
      assert.deepEqual((await store.read((session) => session.scan(shape('pages')))).length, 2, 'usable after an error');
    });

    test(`${kind}: a snapshot does not move while others write`, async (t) => {
      const { store, sql } = await openBench(t, kind, kind === 'sqlite' ? `PRAGMA journal_mode = WAL; ${pages}` : pages);
      await sql(`INSERT INTO pages (id, name, body) VALUES (1, 'a', 'old')`);
      await store.read(async (session) => {
        await sql(`UPDATE pages SET body = 'new'`);
        const [row] = await session.scan(shape('pages'));
        assert.equal(row?.digest, digest(bytes('old')));
      });
      const [row] = await store.read((session) => session.scan(shape('pages')));
      assert.equal(row?.digest, digest(bytes('new')));
    });

    test(`${kind}: rows elsewhere that would go with a row are counted`, async (t) => {
      const { store, sql } = await openBench(
        t,
        kind,
        `${pages}; CREATE TABLE notes (id ${autoincrement}, page ${kind === 'sqlite' ? 'INTEGER' : 'INT UNSIGNED'}, FOREIGN KEY (page) REFERENCES pages (id) ON DELETE CASCADE) {engine}`,
      );
      await sql(`INSERT INTO pages (id, name) VALUES (1, 'a'), (2, 'b')`);
      await sql(`INSERT INTO notes (page) VALUES (1), (1)`);
      const table = (await store.describe('pages')) ?? assert.fail();
      const harmedBy = kind === 'sqlite' ? ['delete', 'rename'] : ['delete'];
      assert.deepEqual(table.pointing, [{ table: 'notes', columns: ['page'], references: ['id'], harmedBy }]);
      assert.equal(await store.begin((session) => session.referencing(table, { id: { s: '1' } }, table.pointing)), 2);
      assert.equal(await store.begin((session) => session.referencing(table, { id: { s: '2' } }, table.pointing)), 0);
    });
  }
}
