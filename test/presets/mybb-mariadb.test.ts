import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMappings } from '../../src/config/check.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { mybbMappings } from '../../src/presets/mybb.ts';
import { mybbVersion } from '../../src/presets/mybb-version.ts';
import { openStore } from '../../src/store/open.ts';
import { useMariadb } from '../helpers/mariadb.ts';

const server = useMariadb();

/** As install/resources/mysql_db_tables.php of MyBB 1.8 makes them. */
const tables = [
  "CREATE TABLE mybb_templates (tid int unsigned NOT NULL auto_increment, title varchar(120) NOT NULL default '', template text NOT NULL, sid smallint NOT NULL default '0', version varchar(20) NOT NULL default '0', status varchar(10) NOT NULL default '', dateline int unsigned NOT NULL default '0', KEY sid (sid, title), PRIMARY KEY (tid)) ENGINE=MyISAM",
  "CREATE TABLE mybb_templatesets (sid smallint unsigned NOT NULL auto_increment, title varchar(120) NOT NULL default '', PRIMARY KEY (sid)) ENGINE=MyISAM",
  "CREATE TABLE mybb_themes (tid smallint unsigned NOT NULL auto_increment, name varchar(100) NOT NULL default '', pid smallint unsigned NOT NULL default '0', def tinyint(1) NOT NULL default '0', properties text NOT NULL, stylesheets text NOT NULL, allowedgroups text NOT NULL, PRIMARY KEY (tid)) ENGINE=MyISAM",
  "CREATE TABLE mybb_themestylesheets (sid int unsigned NOT NULL auto_increment, name varchar(30) NOT NULL default '', tid smallint unsigned NOT NULL default '0', attachedto text NOT NULL, stylesheet longtext NOT NULL, cachefile varchar(100) NOT NULL default '', lastmodified int unsigned NOT NULL default '0', KEY tid (tid), PRIMARY KEY (sid)) ENGINE=MyISAM",
  "CREATE TABLE mybb_datacache (title varchar(50) NOT NULL default '', cache mediumtext NOT NULL, PRIMARY KEY (title)) ENGINE=MyISAM",
];

async function openWith(...statements: string[]) {
  const database = await (await server()).createDatabase();
  for (const statement of statements) await database.sql(statement);
  return openStore(database.url, '/');
}

test('the preset fits the tables MyBB makes, and reads its version', async () => {
  const cache = 'a:2:{s:7:"version";s:6:"1.8.37";s:12:"version_code";i:1837;}';
  const store = await openWith(...tables, `INSERT INTO mybb_datacache VALUES ('version', '${cache}')`);
  try {
    const { mappings } = parseConfig('{"preset":"mybb"}', 'x', { mybb: mybbMappings });
    const checked = await checkMappings(mappings, store);
    assert.deepEqual(checked.warnings, []);
    assert.deepEqual(
      checked.mappings.map(({ table }) => [table.name, table.primaryKey, table.transactional]),
      [
        ['mybb_templates', ['tid'], false],
        ['mybb_themestylesheets', ['sid'], false],
      ],
    );
    const names = await store.tables();
    const stamp = await store.read((session) => mybbVersion(session, 'mybb_templates', names));
    assert.equal(stamp('header'), '1837');
  } finally {
    await store.close();
  }
});
