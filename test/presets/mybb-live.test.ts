import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { checkMappings } from '../../src/config/check.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { SyncError } from '../../src/core/errors.ts';
import { mybbMappings } from '../../src/presets/mybb.ts';
import { mybbVersion, versionCode } from '../../src/presets/mybb-version.ts';
import { openSqlite } from '../../src/sqlite/thread.ts';
import { openSqliteStore } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';

/** As install/resources/sqlite_db_tables.php of MyBB 1.8 makes them. */
const tables = [
  "CREATE TABLE mybb_templates (tid INTEGER PRIMARY KEY, title varchar(120) NOT NULL default '', template TEXT NOT NULL, sid smallint NOT NULL default '0', version varchar(20) NOT NULL default '0', status varchar(10) NOT NULL default '', dateline int NOT NULL default '0')",
  "CREATE TABLE mybb_templatesets (sid INTEGER PRIMARY KEY, title varchar(120) NOT NULL default '')",
  "CREATE TABLE mybb_themes (tid INTEGER PRIMARY KEY, name varchar(100) NOT NULL default '', pid smallint NOT NULL default '0', def tinyint(1) NOT NULL default '0', properties TEXT NOT NULL default '', stylesheets TEXT NOT NULL default '', allowedgroups TEXT NOT NULL default '')",
  "CREATE TABLE mybb_themestylesheets (sid INTEGER PRIMARY KEY, name varchar(30) NOT NULL default '', tid smallint NOT NULL default '0', attachedto TEXT NOT NULL, stylesheet TEXT NOT NULL, cachefile varchar(100) NOT NULL default '', lastmodified int NOT NULL default '0')",
];
const datacache = "CREATE TABLE mybb_datacache (title varchar(50) NOT NULL default '' PRIMARY KEY, cache TEXT NOT NULL)";

async function openWith(t: TestContext, ...statements: string[]): Promise<Store> {
  const folder = await mkdtemp(join(tmpdir(), 'sync-run-mybb-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'forum.db');
  const thread = await openSqlite(path, { create: true });
  for (const statement of statements) await thread.exec(statement);
  await thread.close();
  const store = await openSqliteStore(path);
  t.after(() => store.close());
  return store;
}

const { mappings } = parseConfig('{"preset":"mybb"}', 'x', { mybb: mybbMappings });
const version = async (store: Store) => {
  const names = await store.tables();
  return store.read((session) => mybbVersion(session, 'mybb_templates', names));
};

test('the preset fits the tables MyBB makes', async (t) => {
  const store = await openWith(t, ...tables, datacache);
  const checked = await checkMappings(mappings, store);
  assert.deepEqual(checked.warnings, []);
  assert.deepEqual(
    checked.mappings.map(({ shape }) => [shape.table, shape.primaryKey, shape.keyColumns, shape.content]),
    [
      ['mybb_templates', ['tid'], ['sid', 'title'], 'template'],
      ['mybb_themestylesheets', ['sid'], ['tid', 'name'], 'stylesheet'],
    ],
  );
});

test('a wrong prefix names the tables there are', async (t) => {
  const store = await openWith(t, ...tables);
  const other = parseConfig('{"preset":"mybb","prefix":"mybb"}', 'x', { mybb: mybbMappings });
  await assert.rejects(checkMappings(other.mappings, store), (error) => {
    assert.ok(error instanceof SyncError);
    assert.equal(error.details.length, 4);
    assert.match(error.details[0]!, /no table "mybbtemplates"; did you mean "mybb_templates"\?/);
    return true;
  });
});

test('the version is that of the installation', async (t) => {
  const cache = 'a:2:{s:7:"version";s:6:"1.8.37";s:12:"version_code";i:1837;}';
  const store = await openWith(t, ...tables, datacache, `INSERT INTO mybb_datacache VALUES ('version', '${cache}')`);
  assert.equal((await version(store))('header'), '1837');
});

test("without it, that of the master template, and last MyBB 1.8's first", async (t) => {
  for (const extra of [[], [datacache], [datacache, "INSERT INTO mybb_datacache VALUES ('version', 'b:0;')"]]) {
    const store = await openWith(
      t,
      ...tables,
      ...extra,
      "INSERT INTO mybb_templates (title, template, sid, version) VALUES ('header', '', -2, '1821'), ('header', '', 1, '1'), ('own', '', 1, '2')",
    );
    const stamp = await version(store);
    assert.equal(stamp('header'), '1821');
    assert.equal(stamp('own'), '1800');
  }
});

for (const [serialized, code] of [
  ['a:2:{s:7:"version";s:6:"1.8.37";s:12:"version_code";i:1837;}', '1837'],
  ['a:2:{s:12:"version_code";s:4:"1838";s:7:"version";s:6:"1.8.38";}', '1838'],
  ['a:1:{s:7:"version";s:6:"1.8.37";}', null],
  ['', null],
] as const) {
  test(`the version code of ${serialized || 'nothing'} is ${code}`, () => assert.equal(versionCode(serialized), code));
}
