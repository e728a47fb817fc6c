import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digest } from '../../src/core/digest.ts';
import { SyncError } from '../../src/core/errors.ts';
import { openStore } from '../../src/store/open.ts';
import { RefusedError, RetryError } from '../../src/store/store.ts';
import { lockWait } from '../helpers/lock-wait.ts';
import { startMariadb, useMariadb } from '../helpers/mariadb.ts';
import { openBench, shape } from '../helpers/stores.ts';

const server = useMariadb();
const bytes = (text: string): Uint8Array => Buffer.from(text);
const PAGES = 'CREATE TABLE pages (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(120) NOT NULL, body MEDIUMTEXT) ENGINE=InnoDB';

test('a whole row that was deleted is put back as it was, on both engines', async (t) => {
  for (const kind of ['innodb', 'myisam'] as const) {
    const { store, sql } = await openBench(
      t,
      kind,
      `CREATE TABLE pages (
      id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(50) CHARACTER SET latin1, body MEDIUMTEXT, big BIGINT UNSIGNED, dec1 DECIMAL(30,10), f FLOAT, d DOUBLE,
      bits BIT(12), flag TINYINT(1), filled INT(5) ZEROFILL, ts TIMESTAMP(6) NULL, dt DATETIME(3), da DATE, ti TIME(2), ye YEAR, bin VARBINARY(20),
      fixed BINARY(4), blb BLOB, en ENUM('a','b''c'), st SET('x','y','z'), js JSON, po POINT, u3 VARCHAR(20) CHARACTER SET utf8mb3, nul INT,
      changed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, gen INT AS (id + 1) VIRTUAL) {engine}`,
    );
    await sql(`SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'; SET time_zone = 'SYSTEM';
      INSERT INTO pages (id, name, body, big, dec1, f, d, bits, flag, filled, ts, dt, da, ti, ye, bin, fixed, blb, en, st, js, po, u3, nul, changed) VALUES
      (0, 'é€', '😀', 18446744073709551615, 12345678901234567890.0123456789, 3.4028e38, 0.1, b'101010101010', 1, 7, '2024-03-31 02:30:00.123456', '0000-00-00 00:00:00',
       '2024-00-00', '-838:59:59', 1999, x'00ff27', x'01', x'', 'b''c', 'x,z', '{"a": [1, "é"]}', POINT(1.5, -2), 'ü', NULL, '2001-01-01 00:00:00'),
      (1, '', NULL, 0, -0.0000000001, 1.1, 1e-300, b'0', -1, 0, NULL, '9999-12-31 23:59:59.999', '0000-00-00', '00:00:00.01', 0, x'', x'00000000', NULL, NULL, '', NULL, NULL, '', 5, '2001-01-01 00:00:00'),
      (2, 'n', '', NULL, NULL, 16777217, 9007199254740993, NULL, NULL, NULL, '1970-01-01 00:00:01', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'a', NULL, '"s"', NULL, NULL, NULL, '2001-01-01 00:00:00')`);
    const dump = () =>
      sql(
        `SELECT *, HEX(name), HEX(bits), HEX(bin), HEX(fixed), HEX(blb), HEX(po), f + 0e0 AS exact, CAST(ts AS CHAR) AS stamp FROM pages ORDER BY id`,
      );
    const before = await dump();
    assert.equal(before.length, 3);
    const rows = shape('pages');
    const pks = ['["0"]', '["1"]', '["2"]'];
    const locked = await store.begin((session) => session.lock(rows, pks));
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
    assert.deepEqual(await dump(), before);
    assert.deepEqual(await store.begin((session) => session.lock(rows, pks)), locked);
  }
});

test('texts are UTF-8 whatever the character set of their column', async (t) => {
  const { store, sql } = await openBench(
    t,
    'innodb',
    `CREATE TABLE pages (id INT PRIMARY KEY, name VARCHAR(50) CHARACTER SET latin1,
    body TEXT CHARACTER SET latin1, cyr TEXT CHARACTER SET koi8r, wide TEXT CHARACTER SET utf16, raw BLOB, old TEXT CHARACTER SET utf8mb3) {engine}`,
  );
  await sql(`INSERT INTO pages VALUES (1, 'été', 'né €', 'Привет', 'w😀', x'ff00fe', 'über')`);
  const expected: Record<string, Uint8Array> = {
    body: bytes('né €'),
    cyr: bytes('Привет'),
    wide: bytes('w😀'),
    raw: Buffer.from('ff00fe', 'hex'),
    old: bytes('über'),
  };
  for (const [content, text] of Object.entries(expected)) {
    const rows = shape('pages', { content });
    const [seen] = await store.read((session) => session.scan(rows));
    assert.deepEqual(seen, { pk: '["1"]', key: { name: 'été' }, digest: digest(text), size: text.length }, content);
    assert.deepEqual(await store.read((session) => session.find(rows, { name: 'été' })), ['["1"]'], 'a key is understood as UTF-8');
    const updated = Buffer.concat([text, text]);
    assert.equal(await store.begin((session) => session.update(rows, '["1"]', {}, updated, text)), true);
    const row = await store.begin(async (session) => (await session.lock(rows, ['["1"]'])).get('["1"]'));
    assert.deepEqual(Buffer.from(row?.text ?? ''), updated, `${content}: what is stored is what was sent as UTF-8`);
  }
  const [row] = await sql('SELECT HEX(body) AS body, HEX(wide) AS wide FROM pages');
  assert.deepEqual(row, { body: '6EE920806EE92080', wide: '0077D83DDE000077D83DDE00' }, 'in the character set of the column');
});

test('a text the column cannot hold is found before it is written, and refused when it is', async (t) => {
  const { store } = await openBench(
    t,
    'innodb',
    `CREATE TABLE pages (id INT AUTO_INCREMENT PRIMARY KEY, short VARCHAR(5), fixed CHAR(8), tiny TINYTEXT, plain TEXT,
    old TEXT CHARACTER SET utf8mb3, latin TEXT CHARACTER SET latin1, asc7 TEXT CHARACTER SET ascii, cyr VARCHAR(9) CHARACTER SET koi8r, bin VARBINARY(4), padded BINARY(4), raw BLOB) {engine}`,
  );
  const table = (await store.describe('pages')) ?? assert.fail();
  const cases: [column: string, text: string | Uint8Array, code: 'INVALID_TEXT' | 'TOO_LONG' | null, message?: RegExp][] = [
    ['short', '😀😀😀😀😀', null],
    ['short', '123456', 'TOO_LONG', /6 characters.*"short" holds 5/],
    ['fixed', 'a', null],
    ['fixed', 'a ', 'INVALID_TEXT', /spaces at the end/],
    ['tiny', 'x'.repeat(255), null],
    ['tiny', 'é'.repeat(128), 'TOO_LONG', /256 bytes.*holds 255/],
    ['plain', 'x'.repeat(65_535), null],
    ['plain', 'x'.repeat(65_536), 'TOO_LONG'],
    ['plain', Buffer.from('c328', 'hex'), 'INVALID_TEXT', /UTF-8/],
    ['plain', Buffer.from('eda080', 'hex'), 'INVALID_TEXT', /UTF-8/],
    ['plain', '\ufeffbom\0', null],
    ['old', 'é€', null],
    ['old', 'a😀', 'INVALID_TEXT', /utf8mb3.*U\+1F600/],
    ['latin', 'né€', null],
    ['latin', 'x→', 'INVALID_TEXT', /latin1.*U\+2192/],
    ['latin', 'é'.repeat(65_535), null],
    ['latin', 'é'.repeat(65_536), 'TOO_LONG'],
    ['asc7', 'abc', null],
    ['asc7', 'é', 'INVALID_TEXT', /ascii.*U\+00E9/],
    ['cyr', 'Привет', null],
    ['cyr', 'Приветé', 'INVALID_TEXT'],
    ['cyr', 'Приветтттт', 'TOO_LONG'],
    ['bin', Buffer.from('ff00ff00', 'hex'), null],
    ['bin', '12345', 'TOO_LONG'],
    ['padded', '123', 'INVALID_TEXT', /fills texts up/],
    ['padded', '1234', null],
    ['raw', Buffer.from('c328', 'hex'), null],
  ];
  for (const [column, given, code, message] of cases) {
    const text = typeof given === 'string' ? bytes(given) : given;
    const label = `${column} ${Buffer.from(text.subarray(0, 20)).toString()}`;
    const [found] = await store.unfit(table, column, [text]);
    assert.equal(found?.code ?? null, code, label);
    if (message) assert.match(found?.message ?? '', message, label);
    const rows = shape('pages', { content: column, keyColumns: ['id'] });
    const write = store.begin(async (session) => {
      const pk = await session.insert(rows, {}, text);
      return (await session.lock(rows, [pk])).get(pk)?.digest === digest(text);
    });
    // What is called fit is stored as it is; what is not is refused by the server or shows when it is read back.
    if (code === null) assert.equal(await write, true, label);
    else assert.equal(await write.catch((error: unknown) => (error instanceof RefusedError ? false : Promise.reject(error))), false, label);
  }
  const [huge] = await store.unfit(table, 'raw', [new Uint8Array(store.maxStatement ?? 0)]);
  assert.match(huge?.message ?? '', /max_allowed_packet/);
});

test('texts up to nearly max_allowed_packet can be written and replaced', async (t) => {
  const { store } = await openBench(t, 'myisam', PAGES.replace('InnoDB', 'MyISAM'));
  const table = (await store.describe('pages')) ?? assert.fail();
  const text = Buffer.alloc((store.maxStatement ?? 0) - 64 * 1024, 'x');
  assert.deepEqual(await store.unfit(table, 'body', [text]), [null]);
  await store.begin(async (session) => {
    const pk = await session.insert(shape('pages'), { name: { s: 'a' } }, text);
    assert.equal(await session.update(shape('pages'), pk, {}, Buffer.alloc(text.length, 'y'), text), true);
  });
});

test('a row locked by somebody else ends in RetryError, with everything taken back', async (t) => {
  const database = await (await server()).createDatabase();
  await database.sql(`${PAGES}; INSERT INTO pages VALUES (1, 'a', 'A'), (2, 'b', 'B')`);
  const store = await openStore(database.url, '/');
  t.after(() => store.close());
  const other = await database.connect();
  await other.query('BEGIN');
  await other.query('UPDATE pages SET body = ? WHERE id = 2', ['other']);
  let reached = false;
  await assert.rejects(
    store.begin(async (session) => {
      await session.update(shape('pages'), '["1"]', {}, bytes('new'), bytes('A'));
      await assert.rejects(session.lock(shape('pages'), ['["2"]']), RetryError);
      reached = true;
      // Going on regardless must not commit half of it.
    }),
    RetryError,
  );
  assert.equal(reached, true);
  await other.query('COMMIT');
  assert.deepEqual(
    (await database.sql('SELECT body FROM pages ORDER BY id')).map(({ body }) => body),
    ['A', 'other'],
  );
  const row = await store.begin(async (session) => (await session.lock(shape('pages'), ['["2"]'])).get('["2"]'));
  assert.equal(Buffer.from(row?.text ?? '').toString(), 'other');
});

test('a deadlock ends in RetryError for the one the server gives up', async (t) => {
  const { store, url } = await openBench(t, 'innodb', `${PAGES}; INSERT INTO pages VALUES (1, 'a', 'A'), (2, 'b', 'B')`);
  const second = await openStore(url, '/');
  t.after(() => second.close());
  const rows = shape('pages');
  const both = Promise.withResolvers<void>();
  let holding = 0;
  const crossing = (from: typeof store, first: string, then: string) =>
    from.begin(async (session) => {
      await session.lock(rows, [first]);
      if (++holding === 2) both.resolve();
      await both.promise;
      await session.lock(rows, [then]);
    });
  const results = await Promise.allSettled([crossing(store, '["1"]', '["2"]'), crossing(second, '["2"]', '["1"]')]);
  const failed = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  assert.equal(failed.length, 1);
  assert.ok(failed[0] instanceof RetryError);
});

test('a locking read waits for a transaction that is about to end, and a lock sees what was committed since', async (t) => {
  const { store, url, sql } = await openBench(t, 'innodb', PAGES);
  await store.prepare('tree');
  const second = await openStore(url, '/');
  t.after(() => second.close());
  const locked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const writing = store.begin(async (session) => {
    await session.lockTarget();
    await session.setTreeTxid('tree', 'new');
    locked.resolve();
    await goOn.promise;
  });
  await locked.promise;
  assert.equal(await second.read((session) => session.treeTxid('tree')), 'init', 'a plain read does not wait');
  const reading = second.begin((session) => session.treeTxid('tree'));
  await lockWait(new URL(url).pathname.slice(1), sql);
  goOn.resolve();
  await writing;
  assert.equal(await reading, 'new');
});

test('SIGNAL in a trigger refuses the row with its message', async (t) => {
  const { store } = await openBench(
    t,
    'innodb',
    `${PAGES};
    CREATE TRIGGER guard BEFORE INSERT ON pages FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no new pages'`,
  );
  await assert.rejects(
    store.begin((session) => session.insert(shape('pages'), { name: { s: 'a' } }, bytes('x'))),
    (error: unknown) => {
      assert.ok(error instanceof RefusedError);
      assert.match(error.message, /no new pages/);
      return true;
    },
  );
});

test('a warning about a value refuses the row, and is no lost connection', async (t) => {
  const { store } = await openBench(t, 'innodb', `${PAGES}; INSERT INTO pages VALUES (1, 'a', 'A')`);
  await store.begin(async (session) => {
    // Strict mode does not reach what a row is compared with.
    const tooLarge = session.update(shape('pages'), '["99999999999999999999"]', {}, bytes('B'), bytes('A'));
    await assert.rejects(tooLarge, RefusedError, 'a warning about a value is an error');
    assert.equal(await session.update(shape('pages'), '["1"]', {}, bytes('B'), bytes('A')), true);
  });
});

test('a server that is not strict still refuses what does not fit', async (t) => {
  const loose = await startMariadb({ args: ['--sql-mode='] });
  t.after(() => loose.stop());
  const database = await loose.createDatabase();
  await database.sql(
    `CREATE TABLE pages (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(5) CHARACTER SET latin1, body TEXT) ENGINE=MyISAM`,
  );
  const store = await openStore(database.url, '/');
  t.after(() => store.close());
  for (const name of ['123456', '→']) {
    await assert.rejects(
      store.begin((session) => session.insert(shape('pages'), { name: { s: name } }, bytes('x'))),
      RefusedError,
    );
  }
  assert.deepEqual(await database.sql('SELECT * FROM pages'), [], 'nothing is stored of what was refused');
  const lines = await store.diagnose([(await store.describe('pages')) ?? assert.fail()]);
  assert.ok(lines.some(({ message }) => /not strict/.test(message)));
  assert.ok(lines.some(({ ok, remedy }) => !ok && remedy?.includes('ALTER TABLE `pages` ENGINE=InnoDB')));
});

test('an unreachable server, a wrong password and an unknown database each say so, without the password', async () => {
  const { port, socket, password } = await server();
  const secret = 'p@ss:w/rd';
  const url = (user: string, pass: string, place: string) => `mysql://${user}:${encodeURIComponent(pass)}@${place}`;
  const cases: [url: string, code: string, exit: number, message: RegExp][] = [
    [url('root', secret, `127.0.0.1:${port}/mysql`), 'LOGIN', 3, /refused the login of "root" to "mysql"/],
    [url('nobody', secret, `127.0.0.1:${port}/mysql`), 'LOGIN', 3, /"nobody"/],
    [url('root', password, `127.0.0.1:${port}/not_there`), 'LOGIN', 3, /no database "not_there"/],
    [url('root', secret, '127.0.0.1:1/mysql'), 'UNREACHABLE', 3, /"127.0.0.1:1" cannot be reached/],
    [url('root', secret, 'localhost/mysql?socket=/nowhere.sock'), 'UNREACHABLE', 3, /"\/nowhere.sock" cannot be reached/],
    [url('root', password, `127.0.0.1:${port}/mysql?tls=required`), 'UNREACHABLE', 3, /does not offer TLS/],
    [url('root', secret, `localhost/mysql?socket=${encodeURIComponent(socket)}`), 'LOGIN', 3, /refused the login/],
  ];
  for (const [given, code, exit, message] of cases) {
    await assert.rejects(openStore(given, '/'), (error: unknown) => {
      assert.ok(error instanceof SyncError, String(error));
      assert.equal(error.code, code, error.message);
      assert.equal(error.exitCode, exit);
      assert.match(error.message, message);
      const shown = JSON.stringify([error.message, error.hint, error.details, String(error.cause), error.stack]);
      for (const hidden of [secret, password, encodeURIComponent(secret)]) assert.ok(!shown.includes(hidden));
      return true;
    });
  }
});

test('a server that is gone in between is unreachable, and works again when it is back', async (t) => {
  const { store, sql } = await openBench(t, 'innodb', PAGES);
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const kill = async () => {
    const [row] = await store.read(async ({ sql: inside }) => await inside`SELECT CONNECTION_ID() AS id`);
    return sql(`KILL ${String(row?.['id'])}`);
  };
  await kill();
  assert.deepEqual(await store.read((session) => session.scan(shape('pages'))), [], 'a dead idle connection is replaced');
  await assert.rejects(
    store.begin(async (session) => {
      const [row] = await session.sql`SELECT CONNECTION_ID() AS id`;
      await session.insert(shape('pages'), { name: { s: 'a' } }, bytes('x'));
      await sql(`KILL ${String(row?.['id'])}`);
      await session.insert(shape('pages'), { name: { s: 'b' } }, bytes('x'));
    }),
    { code: 'UNREACHABLE' },
  );
  await assert.rejects(
    store.begin(async (session) => {
      const [row] = await session.sql`SELECT CONNECTION_ID() AS id`;
      await session.insert(shape('pages'), { name: { s: 'a' } }, bytes('x'));
      await sql(`KILL ${String(row?.['id'])}`);
    }),
    { code: 'COMMIT_UNKNOWN', exitCode: 3 },
  );
  // Deno cannot tell.
  if (!('Deno' in globalThis)) assert.ok(timers() <= before, 'no timer keeps the process alive');
  assert.deepEqual(await store.read((session) => session.scan(shape('pages'))), []);
});

test('an abort ends what is waiting', async () => {
  const database = await (await server()).createDatabase();
  const aborting = new AbortController();
  const store = await openStore(database.url, '/', aborting.signal);
  const work = store.read(async ({ sql }) => {
    queueMicrotask(() => aborting.abort(new Error('stop')));
    await sql`SELECT SLEEP(30)`;
  });
  await assert.rejects(work, /stop/);
  await store.close();
});

test('missing rights are named with their remedy', async (t) => {
  const { sql, url, store } = await openBench(t, 'innodb', PAGES);
  const { pathname, port } = new URL(url);
  const name = pathname.slice(1);
  await sql(`CREATE USER limited@'127.0.0.1' IDENTIFIED BY 'x'; GRANT SELECT, UPDATE ON ${name}.pages TO limited@'127.0.0.1'`);
  t.after(() => sql(`DROP USER limited@'127.0.0.1'`));
  const limited = await openStore(`mysql://limited:x@127.0.0.1:${port}/${name}`, '/');
  t.after(() => limited.close());
  const table = (await limited.describe('pages')) ?? assert.fail();
  const wrong = (await limited.diagnose([table])).filter(({ ok }) => !ok);
  assert.deepEqual(
    wrong.map(({ message }) => message),
    [
      'The user may not read the table "sync_run_tree", or it is missing and the user may not create it',
      'The user lacks INSERT, DELETE on "pages"',
    ],
  );
  assert.match(wrong[0]?.remedy ?? '', /CREATE TABLE IF NOT EXISTS sync_run_tree/);
  assert.match(wrong[1]?.remedy ?? '', /GRANT INSERT, DELETE ON `pages`/);
  await assert.rejects(limited.prepare('tree'), { code: 'DATABASE', hint: /CREATE TABLE IF NOT EXISTS sync_run_tree/ });
  assert.equal((await limited.identity()).id, null, 'exporting needs no table');
  await sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${name}.* TO limited@'127.0.0.1'`);
  const again = await openStore(`mysql://limited:x@127.0.0.1:${port}/${name}`, '/');
  t.after(() => again.close());
  const [create] = (await again.diagnose([])).filter(({ ok }) => !ok);
  assert.equal(create?.message, 'The user may not create the table "sync_run_tree"');
  assert.match(create?.remedy ?? '', /CREATE TABLE IF NOT EXISTS sync_run_tree/);
  await store.prepare('other');
  assert.deepEqual(
    (await store.diagnose([table])).filter(({ ok }) => !ok),
    [],
  );
  assert.deepEqual(await sql('SELECT * FROM pages'), [], 'nothing was written to find out');
});

test('prepared statements do not pile up', async (t) => {
  const { store } = await openBench(t, 'innodb', PAGES);
  const rows = shape('pages');
  const pks = Array.from({ length: 40 }, (_, index) => JSON.stringify([String(index + 1)]));
  await store.begin(async (session) => {
    // Those of this connection: other tests use the server at the same time.
    const open = async (): Promise<number> => {
      const found = await session.sql`SHOW SESSION STATUS WHERE Variable_name IN ('Com_stmt_prepare', 'Com_stmt_close')`;
      const counts = new Map(found.map((row) => [String(row['Variable_name']), Number(row['Value'])]));
      return (counts.get('Com_stmt_prepare') ?? Number.NaN) - (counts.get('Com_stmt_close') ?? Number.NaN);
    };
    const before = await open();
    for (let length = 1; length <= pks.length; length++) await session.lock(rows, pks.slice(0, length));
    const left = (await open()) - before;
    assert.ok(left > 0 && left < 20, `${left} statements are left`);
  });
});

test('every table with a text key stays exact where its collation is not', async (t) => {
  const { store, sql } = await openBench(
    t,
    'innodb',
    `CREATE TABLE pages (id VARCHAR(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY, name VARCHAR(9), body TEXT) {engine}`,
  );
  await sql(`INSERT INTO pages VALUES ('Straße', 'a', 'A')`);
  const rows = shape('pages');
  assert.equal((await store.begin((session) => session.lock(rows, ['["strasse"]']))).size, 0);
  assert.equal(await store.begin((session) => session.update(rows, '["STRASSE"]', {}, bytes('x'), bytes('A'))), false);
  assert.equal(await store.begin((session) => session.delete(rows, '["Strasse"]', bytes('A'))), false);
  assert.equal(await store.begin((session) => session.update(rows, '["Straße"]', {}, bytes('x'), bytes('A'))), true);
});
