import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config/parse.ts';
import { SyncError } from '../../src/core/errors.ts';
import { mybbMappings } from '../../src/presets/mybb.ts';

const page = { name: 'pages', table: 'pages', path: 'pages/{lang}/{slug}.html', content: 'body' };

function parse(config: unknown) {
  return parseConfig(JSON.stringify(config), 'sync-run.config.json', { mybb: mybbMappings });
}

function detailsOf(config: unknown): string[] {
  try {
    parse(config);
  } catch (error) {
    assert.ok(error instanceof SyncError);
    assert.equal(error.code, 'CONFIG');
    for (const detail of error.details) assert.doesNotMatch(detail, /\.$|undefined|\[object/);
    return error.details;
  }
  return [];
}

test('fills in what the file leaves out', () => {
  const { root, config, mappings } = parse({ mappings: [page] });
  assert.equal(root, 'db');
  assert.deepEqual(config.preCommit, { unreachable: 'warn', rowsAhead: 'warn' });
  assert.equal(mappings.length, 1);
  const { pattern, fingerprint, ...rest } = mappings[0]!;
  assert.equal(pattern.text, page.path);
  assert.match(fingerprint, /^[0-9a-f]{32}\.[0-9a-f]{32}$/);
  assert.deepEqual(rest, {
    name: 'pages',
    table: 'pages',
    content: 'body',
    keyColumns: ['lang', 'slug'],
    where: {},
    insert: {},
    touch: {},
    lookups: {},
    derive: {},
    delete: 'apply',
    newlines: 'exact',
    direction: 'both',
    empty: 'refuse',
    exclude: [],
    rules: {},
  });
});

test('reads stamps', () => {
  const { mappings } = parse({
    mappings: [{ ...page, insert: { a: '@now', b: '@@now', c: 1, d: null, e: 'x@y' }, touch: { f: '@unixtime', g: true } }],
  });
  assert.deepEqual(mappings[0]!.insert, { a: { at: 'now' }, b: '@now', c: 1, d: null, e: 'x@y' });
  assert.deepEqual(mappings[0]!.touch, { f: { at: 'unixtime' }, g: true });
});

test('a lookup stands for its column in the key, a derived placeholder for none', () => {
  const { mappings } = parse({
    mappings: [
      {
        ...page,
        path: '{set}/{group}/{title}.html',
        lookups: { set: { column: 'sid', table: 'sets', key: 'id', name: 'label' } },
        derive: { group: { from: 'title', until: '_' } },
      },
    ],
  });
  assert.deepEqual(mappings[0]!.keyColumns, ['sid', 'title']);
});

const lookup = { column: 'sid', table: 'sets', key: 'id', name: 'label' };

const wrong: [what: string, config: unknown, ...expected: RegExp[]][] = [
  ['no object', [], /^The file must be an object \{...\}, found a list$/],
  ['nothing to do', {}, /"mappings" is empty.*"preset"/],
  ['a missing key', { mappings: [{ name: 'a', table: 't', path: '{x}' }] }, /^"mappings\[0\]\.content" is missing; it must be a text$/],
  ['a wrong type', { mappings: [{ ...page, path: 5 }] }, /^"mappings\[0\]\.path" must be a text, found 5$/],
  ['a wrong choice', { mappings: [{ ...page, delete: 'yes' }] }, /^"mappings\[0\]\.delete" must be "apply" or "ignore", found "yes"$/],
  ['a wrong name', { mappings: [{ ...page, name: 'My Pages' }] }, /^"mappings\[0\]\.name" must consist of a-z.*found "My Pages"$/],
  ['a misspelled key', { mapings: [] }, /^"mapings" is not known; did you mean "mappings"\?$/],
  [
    'a misspelled key of a mapping',
    { mappings: [{ ...page, tabel: 'x' }] },
    /^"mappings\[0\]\.tabel" is not known; did you mean "table"\?$/,
  ],
  [
    'a misspelled key of a lookup',
    { mappings: [{ ...page, path: '{set}', lookups: { set: { ...lookup, tble: 1 } } }] },
    /^"mappings\[0\]\.lookups\.set\.tble" .*"table"\?$/,
  ],
  ['a misspelled policy', { mappings: [page], preCommit: { unreachabel: 'block' } }, /^"preCommit\.unreachabel" .*"unreachable"\?$/],
  ['a key spelled out', { mappings: [{ ...page, key: ['slug'] }] }, /the key is the columns named in "path"/],
  ['a far-off key', { mappings: [{ ...page, colour: 'x' }] }, /^"mappings\[0\]\.colour" is not known; known here: name, table, path/],
  ['a database URL', { mappings: [page], url: 'mysql://u:secret@h/d' }, /^"url" does not belong here: .*SYNC_RUN_DATABASE_URL/],
  ['a password', { mappings: [page], password: 'secret' }, /SYNC_RUN_DATABASE_URL/],
  ['a command', { mappings: [page], afterImport: 'rm -rf /' }, /runs no commands/],
  ['a command of a mapping', { mappings: [{ ...page, exec: 'x' }] }, /runs no commands/],
  ['a state folder', { mappings: [page], stateFolder: '/tmp' }, /git rev-parse --git-path sync-run/],
  ['a safety limit', { mappings: [page], allowMassChange: true }, /--allow-mass-change/],
  ['a root outside', { root: '../x', mappings: [page] }, /^"root" must be a folder inside.*"\.\."/],
  ['an absolute root', { root: '/x', mappings: [page] }, /^"root" .*is absolute/],
  ['a root in .git', { root: '.GIT/x', mappings: [page] }, /^"root" .*git keeps/],
  ['an invisible character in .git', { root: '.g\u200cit', mappings: [page] }, /^"root" /],
  ['the top as root', { root: '.', mappings: [page] }, /^"root" /],
  ['an empty root', { root: '', mappings: [page] }, /^"root" .*is empty/],
  ['a root that ends in a slash', { root: 'db/', mappings: [page] }, /^"root" .*empty segment/],
  ['a broken pattern', { mappings: [{ ...page, path: '../{slug}' }] }, /^"mappings\[0\]\.path" cannot be used: /],
  ['a pattern without a key', { mappings: [{ ...page, path: 'a.html' }] }, /must name at least one column/],
  [
    'an unknown stamp',
    { mappings: [{ ...page, touch: { at: '@today' } }] },
    /^"mappings\[0\]\.touch\.at" must be "@now", "@unixtime" or a constant, found "@today"/,
  ],
  [
    'an object as a constant',
    { mappings: [{ ...page, where: { a: {} } }] },
    /^"mappings\[0\]\.where\.a" must be a string, a number, true, false or null, found an object$/,
  ],
  ['a number that is not exact', { mappings: [{ ...page, where: { a: 1e300 } }] }, /must be written as a string/],
  ['the text in its own path', { mappings: [{ ...page, content: 'slug' }] }, /^"mappings\[0\]\.content" "slug" is a column of the key/],
  ['the text in where', { mappings: [{ ...page, where: { body: '' } }] }, /^"mappings\[0\]\.where\.body" is the column of the text/],
  ['a key column in touch', { mappings: [{ ...page, touch: { slug: 'x' } }] }, /^"mappings\[0\]\.touch\.slug" is a column of the key/],
  [
    'a key column in where',
    { mappings: [{ ...page, where: { lang: 'en' } }] },
    /^"mappings\[0\]\.where\.lang" is a column of the key.*write the constant into "path"/,
  ],
  [
    'a looked-up column in insert',
    { mappings: [{ ...page, path: '{set}', lookups: { set: lookup }, insert: { sid: 1 } }] },
    /^"mappings\[0\]\.insert\.sid" is a column of the key/,
  ],
  [
    'touch and where',
    { mappings: [{ ...page, where: { a: 1 }, touch: { a: 2 } }] },
    /^"mappings\[0\]\.touch\.a" would move rows out of "where"/,
  ],
  [
    'insert against where',
    { mappings: [{ ...page, where: { a: 1 }, insert: { a: 2 } }] },
    /^"mappings\[0\]\.insert\.a" differs from "mappings\[0\]\.where\.a"/,
  ],
  [
    'insert against touch',
    { mappings: [{ ...page, touch: { a: 1 }, insert: { a: 2 } }] },
    /^"mappings\[0\]\.insert\.a" differs from "mappings\[0\]\.touch\.a"/,
  ],
  [
    'an unused lookup',
    { mappings: [{ ...page, lookups: { langs: lookup } }] },
    /^"mappings\[0\]\.lookups\.langs" is not used.*did you mean \{lang\}\?$/,
  ],
  [
    'an unused derive',
    { mappings: [{ ...page, derive: { group: { from: 'slug', until: '_' } } }] },
    /^"mappings\[0\]\.derive\.group" is not used/,
  ],
  [
    'a derive from no key',
    { mappings: [{ ...page, path: '{g}/{slug}', derive: { g: { from: 'title', until: '_' } } }] },
    /^"mappings\[0\]\.derive\.g\.from" must be a column of the key \(slug\), found "title"$/,
  ],
  ['a column shown twice', { mappings: [{ ...page, path: '{sid}/{set}', lookups: { set: lookup } }] }, /has both \{sid\} and \{set\}/],
  [
    'an id with two fixed names',
    { mappings: [{ ...page, path: '{set}', lookups: { set: { ...lookup, fixed: { A: 1, B: '1' } } } }] },
    /^"mappings\[0\]\.lookups\.set\.fixed\.B" has the same id as "A": 1$/,
  ],
  [
    'a name twice',
    { mappings: [page, { ...page, path: 'x/{slug}', table: 'other' }] },
    /^"mappings\[1\]\.name" "pages" is the name of another mapping already$/,
  ],
  [
    'a name of the preset',
    { preset: 'mybb', mappings: [{ ...page, name: 'templates' }] },
    /^"mappings\[0\]\.name" "templates" is the name/,
  ],
  ['an overlap', { mappings: [page, { ...page, name: 'more', path: 'more/{slug}' }] }, /"pages" and "more" can select the same row/],
  [
    'an overlap with the preset',
    { preset: 'mybb', mappings: [{ ...page, table: 'mybb_templates', content: 'template', path: 'p/{title}' }] },
    /"templates" and "pages" can select the same row/,
  ],
  ['a prefix without a preset', { mappings: [page], prefix: 'x_' }, /"prefix" has no effect without "preset"/],
  ['an unknown preset', { preset: 'phpbb' }, /^"preset" must be "mybb", found "phpbb"$/],
  ['several things at once', { root: '..', mappings: [{ name: 'a' }] }, /^"root"/, /\.table"/, /\.path"/, /\.content"/],
];

for (const [what, config, ...expected] of wrong) {
  test(`refuses ${what}`, () => {
    const details = detailsOf(config);
    assert.equal(details.length, expected.length, `${what} is refused: ${details.join('\n')}`);
    for (const [index, pattern] of expected.entries()) assert.match(details[index]!, pattern);
    assert.ok(!details.join().includes('secret'));
  });
}

test('accepts a constant of "where" repeated in "insert"', () => {
  assert.deepEqual(detailsOf({ mappings: [{ ...page, where: { type: 'page' }, insert: { type: 'page', created_at: '@now' } }] }), []);
});

test('two parts of one table are kept apart by a constant', () => {
  assert.deepEqual(
    detailsOf({
      mappings: [
        { ...page, where: { type: 'page' } },
        { ...page, name: 'blocks', path: 'blocks/{slug}', where: { type: 'block' } },
      ],
    }),
    [],
  );
});

test('broken JSON is located', () => {
  assert.throws(
    () => parseConfig('{\n  "root": "db",\n}', 'sync-run.config.json', { mybb: mybbMappings }),
    (error) => {
      assert.ok(error instanceof SyncError);
      assert.match(error.message, /^"sync-run\.config\.json" is not valid JSON: .* at line 2, column 15$/);
      return true;
    },
  );
});

test('the digest is that of the content, not of its spelling', () => {
  const one = parseConfig(`{"root":"db","mappings":[${JSON.stringify(page)}]}`, 'a', { mybb: mybbMappings });
  const { content, ...rest } = page;
  const other = parseConfig(`\uFEFF{\n"$schema":"x", "mappings": [${JSON.stringify({ content, ...rest })}],\n "root":"\\u0064b"}`, 'b', {
    mybb: mybbMappings,
  });
  assert.equal(other.digest, one.digest);
  assert.equal(other.canonical, one.canonical);
  assert.notEqual(parse({ root: 'db', mappings: [{ ...page, delete: 'ignore' }] }).digest, one.digest);
});

test('the fingerprint follows what ties rows to files, and nothing else', () => {
  const of = (change: object, root = 'db') => parse({ root, mappings: [{ ...page, ...change }] }).mappings[0]!.fingerprint;
  const before = of({});
  for (const same of [
    { name: 'x' },
    { touch: { a: 1 } },
    { insert: { a: 1 } },
    { delete: 'ignore' },
    { direction: 'rows-to-files' },
    { exclude: ['x'] },
  ]) {
    assert.equal(of(same), before, JSON.stringify(same));
  }
  const [text, place] = before.split('.');
  const moved = [
    of({}, 'texts'),
    ...[{ path: '{lang}/{slug}' }, { newlines: 'lf' }, { where: { a: 1 } }, { lookups: { lang: { ...lookup, column: 'lang' } } }].map(
      (each) => of(each),
    ),
  ];
  for (const other of moved) {
    assert.equal(other.split('.')[0], text);
    assert.notEqual(other.split('.')[1], place);
  }
  for (const other of [{ table: 'x' }, { content: 'x' }]) {
    assert.notEqual(of(other).split('.')[0], text);
    assert.equal(of(other).split('.')[1], place);
  }
});
