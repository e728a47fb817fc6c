import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMappings } from '../../src/config/check.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { SyncError } from '../../src/core/errors.ts';
import { mybbMappings } from '../../src/presets/mybb.ts';
import { openStore } from '../../src/store/open.ts';
import { useMariadb } from '../helpers/mariadb.ts';

const server = useMariadb();

async function openWith(...statements: string[]) {
  const database = await (await server()).createDatabase();
  for (const statement of statements) await database.sql(statement);
  return openStore(database.url, '/');
}

test('what does not fit is named, all at once', async () => {
  const store = await openWith(
    'CREATE TABLE pages (id int NOT NULL, slug varchar(20) NOT NULL, body text, `rank` int NOT NULL, size int AS (char_length(body)), kind varchar(4) NOT NULL)',
  );
  try {
    const page = { name: 'pages', table: 'pages', path: '{slug}', content: 'body' };
    const mapping = { ...page, content: 'size', where: { rank: 'page', kind: 'fives' }, touch: { updated: '@now' } };
    const { mappings } = parseConfig(JSON.stringify({ mappings: [mapping] }), 'x', { mybb: mybbMappings });
    await assert.rejects(checkMappings(mappings, store), (error) => {
      assert.ok(error instanceof SyncError);
      const expected = [
        /no primary key/,
        /"size" is generated/,
        /"size" has the type int.*, which holds no text/,
        /"rank" cannot hold the value "page"/,
        /"kind" cannot hold the value "fives".*4 characters/,
        /no column "updated"/,
      ];
      assert.equal(error.details.length, expected.length, error.details.join('\n'));
      for (const [index, pattern] of expected.entries()) assert.match(error.details[index]!, pattern);
      return true;
    });
  } finally {
    await store.close();
  }
});

test('columns a new row would lack are named beforehand', async () => {
  const store = await openWith(
    'CREATE TABLE pages (id int NOT NULL auto_increment PRIMARY KEY, slug varchar(20) NOT NULL, body text NOT NULL, author int NOT NULL, views int NOT NULL default 0)',
  );
  try {
    const page = { name: 'pages', table: 'pages', path: '{slug}', content: 'body' };
    const { mappings } = parseConfig(JSON.stringify({ mappings: [page] }), 'x', { mybb: mybbMappings });
    const { warnings } = await checkMappings(mappings, store);
    assert.equal(warnings.length, 1, warnings.join('\n'));
    assert.match(warnings[0]!, /"author" has no default/);
  } finally {
    await store.close();
  }
});
