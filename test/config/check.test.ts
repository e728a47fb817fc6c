import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkMappings, type Schema } from '../../src/config/check.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { SyncError } from '../../src/core/errors.ts';
import type { Column, Table } from '../../src/core/table.ts';
import { mybbMappings } from '../../src/presets/mybb.ts';

const page = { name: 'pages', table: 'pages', path: 'pages/{lang}/{slug}.html', content: 'body' };

function column(name: string, type: string, change: Partial<Column> = {}): Column {
  const text = /char|text/.test(type) ? 'text' : null;
  const common = {
    nullable: false,
    hasDefault: true,
    generated: false,
    autoIncrement: false,
    maxBytes: null,
    maxChars: null,
    charset: null,
  };
  return { name, type, text, ...common, ...change };
}

function table(name: string, columns: Column[], change: Partial<Table> = {}): Table {
  const common = { primaryKey: ['id'], uniques: [['id']], engine: 'InnoDB', transactional: true, pointing: [], triggers: [] };
  return { name, columns, ...common, ...change };
}

const id = column('id', 'int unsigned', { autoIncrement: true });
const pages = table('pages', [
  id,
  column('lang', 'varchar(10)', { maxChars: 10 }),
  column('slug', 'varchar(120)'),
  column('body', 'longtext', { hasDefault: false }),
  column('kind', 'varchar(4)', { maxChars: 4 }),
  column('rank', 'int', { nullable: true }),
  column('made', 'varchar(200)', { generated: true }),
]);
const sets = table('sets', [id, column('label', 'varchar(40)'), column('loose', 'int')]);

function schemaOf(...tables: Table[]): Schema {
  return {
    tables: () => Promise.resolve(tables.map(({ name }) => name)),
    describe: (name) => Promise.resolve(tables.find((each) => each.name === name) ?? null),
  };
}

async function check(mapping: object, schema: Schema = schemaOf(pages, sets)): Promise<{ problems: string[]; warnings: string[] }> {
  const { mappings } = parseConfig(JSON.stringify({ mappings: [{ ...page, ...mapping }] }), 'x', { mybb: mybbMappings });
  try {
    const { warnings } = await checkMappings(mappings, schema);
    return { problems: [], warnings };
  } catch (error) {
    assert.ok(error instanceof SyncError);
    assert.equal(error.code, 'CONFIG');
    return { problems: error.details, warnings: [] };
  }
}

test('gives table and shape of a mapping that fits', async () => {
  const { mappings } = parseConfig(JSON.stringify({ mappings: [{ ...page, where: { kind: 'a' } }] }), 'x', { mybb: mybbMappings });
  const checked = await checkMappings(mappings, schemaOf(pages, sets));
  assert.deepEqual(checked.warnings, []);
  assert.equal(checked.mappings.length, 1);
  assert.equal(checked.mappings[0]!.mapping, mappings[0]);
  assert.equal(checked.mappings[0]!.table, pages);
  assert.deepEqual(checked.mappings[0]!.shape, {
    table: 'pages',
    primaryKey: ['id'],
    keyColumns: ['lang', 'slug'],
    content: 'body',
    where: { kind: 'a' },
  });
});

const lookup = { column: 'rank', table: 'sets', key: 'id', name: 'label' };

const misfits: [what: string, mapping: object, ...expected: RegExp[]][] = [
  [
    'an unknown table',
    { table: 'page' },
    /^Mapping "pages": There is no table "page"; did you mean "pages"\? The database has: pages, sets$/,
  ],
  ['a table in other letter case', { table: 'Pages' }, /did you mean "pages"\?/],
  ['an unknown text column', { content: 'bdoy' }, /The table "pages" has no column "bdoy"; did you mean "body"\? It has: id, lang, slug/],
  ['an unknown key column', { path: '{locale}/{slug}' }, /no column "locale"/],
  ['an unknown constant', { where: { type: 'x' } }, /no column "type".*\("where"\)$/],
  ['an unknown stamp', { touch: { updated: '@now' } }, /no column "updated".*\("touch"\)$/],
  ['a text column that holds numbers', { content: 'rank' }, /The column "rank" has the type int, which holds no text/],
  ['a generated text column', { content: 'made' }, /"made" is generated/],
  ['a generated key column', { path: '{made}' }, /"made" of the key is generated/],
  ['a generated column set', { insert: { made: 'x' } }, /"made" of "insert" is generated/],
  ['a touched primary key', { touch: { id: 1 } }, /"id" of "touch" is part of the primary key/],
  ['NULL in a column without', { where: { kind: null } }, /"kind" cannot hold the value null of "where": it is NOT NULL/],
  ['a word in a number column', { where: { rank: 'page' } }, /"rank" cannot hold the value "page" of "where": its type is int/],
  ['a constant that is too long', { insert: { kind: 'fives' } }, /"kind" cannot hold the value "fives" of "insert": it holds 4 characters/],
  [
    'an unknown lookup table',
    { path: '{set}', lookups: { set: { ...lookup, table: 'set' } } },
    /no table "set"; did you mean "sets"\?.*\(lookup "set"\)$/,
  ],
  [
    'an unknown lookup column',
    { path: '{set}', lookups: { set: { ...lookup, name: 'lable' } } },
    /no column "lable"; did you mean "label"\?.*\(lookup "set"\)$/,
  ],
  ['several things at once', { content: 'x1', path: '{x2}', touch: { x3: 1 } }, /"x1"/, /"x2"/, /"x3"/],
];

for (const [what, mapping, ...expected] of misfits) {
  test(`refuses ${what}`, async () => {
    const { problems } = await check(mapping);
    assert.equal(problems.length, expected.length, problems.join('\n'));
    for (const [index, pattern] of expected.entries()) assert.match(problems[index]!, pattern);
  });
}

test('accepts what only export needs where nothing writes rows', async () => {
  assert.deepEqual(await check({ path: '{made}', direction: 'rows-to-files' }), { problems: [], warnings: [] });
});

test('accepts numbers as texts, and NULL where the column has it', async () => {
  assert.deepEqual(await check({ where: { rank: '5' } }), { problems: [], warnings: [] });
  assert.deepEqual(await check({ where: { rank: null } }), { problems: [], warnings: [] });
});

test('refuses a table without a primary key', async () => {
  const { problems } = await check({}, schemaOf({ ...pages, primaryKey: [], uniques: [] }));
  assert.equal(problems.length, 1);
  assert.match(problems[0]!, /"pages" has no primary key/);
});

test('refuses a primary key that is not found again by its text', async () => {
  for (const type of ['float', 'double precision', 'real']) {
    const { problems } = await check(
      {},
      schemaOf({ ...pages, columns: pages.columns.map((one) => (one === id ? { ...one, type } : one)) }),
    );
    assert.equal(problems.length, 1);
    assert.match(problems[0]!, /The primary key column "id" of "pages" is (float|double precision|real)/);
  }
});

test('warns of columns a new row would lack, unless something sets them or no row is inserted', async () => {
  const schema = schemaOf({ ...pages, columns: [...pages.columns, column('author', 'int', { hasDefault: false })] });
  const { problems, warnings } = await check({}, schema);
  assert.deepEqual(problems, []);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /^Mapping "pages": A new file cannot become a row, as the column "author" has no default/);
  assert.deepEqual((await check({ insert: { author: 1 } }, schema)).warnings, []);
  assert.deepEqual((await check({ direction: 'rows-to-files' }, schema)).warnings, []);
});

test('warns of a lookup that may have two names for an id', async () => {
  const { problems, warnings } = await check({ path: '{set}', lookups: { set: { ...lookup, key: 'loose' } } });
  assert.deepEqual(problems, []);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /"sets"\."loose" of the lookup "set" has no unique index/);
});

test('an empty database is named as such', async () => {
  const { problems } = await check({}, schemaOf());
  assert.match(problems[0]!, /The database has: no tables$/);
});
