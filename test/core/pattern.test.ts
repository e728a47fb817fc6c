import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchPath, parsePattern, placeholders, renderPath } from '../../src/core/pattern.ts';
import { checkPath } from '../../src/core/safe-path.ts';

const refusedPatterns: [pattern: string, message: RegExp][] = [
  ['', /empty/],
  ['/pages/{slug}', /absolute/],
  ['C:\\pages\\{slug}', /absolute/],
  ['../{slug}', /segment "\.\."/],
  ['./{slug}', /segment "\."/],
  ['pages//{slug}', /empty segment/],
  ['pages/{slug}/', /empty segment/],
  ['pages/{slug', /brace/],
  ['pages/slug}', /brace/],
  ['pages/{a{b}}', /brace|placeholder/],
  ['pages/{}', /placeholder "\{\}"/],
  ['pages/{1st}', /placeholder "\{1st\}"/],
  ['pages/{a-b}', /placeholder "\{a-b\}"/],
  ['{a}{b}', /between them/],
  ['{a}/{a}', /"\{a\}" twice/],
  ['pages\\{a}', /unsafe character "\\"/],
  ['100%/{a}', /unsafe character "%"/],
  ['a:b/{a}', /unsafe character ":"/],
  ['a\u202Eb/{a}', /unsafe character/],
  ['.git/{a}', /git keeps/],
  ['{a}/.gitattributes', /git would read/],
  ['.sync-run-x/{a}', /sync-run keeps/],
  ['CON/{a}', /device name/],
  ['{a}.', /ends in a space or a dot/],
  ['{a}~', /temporary files/],
];

for (const [pattern, message] of refusedPatterns) {
  test(`refuses the pattern ${JSON.stringify(pattern)}`, () => {
    assert.throws(() => parsePattern(pattern), message);
  });
}

test('names its placeholders in the order of the path', () => {
  assert.deepEqual(placeholders(parsePattern('pages/{lang}/{a}-{slug}.html')), ['lang', 'a', 'slug']);
});

const rendered: [slug: string, path: string][] = [
  ['index', 'pages/index.html'],
  ['Grüße 日本', 'pages/Grüße 日本.html'],
  ['../../.git/hooks/pre-commit', 'pages/%2E.%2F..%2F.git%2Fhooks%2Fpre-commit.html'],
  ['a/b', 'pages/a%2Fb.html'],
  ['100%', 'pages/100%25.html'],
  ['CON', 'pages/%43ON.html'],
  ['nul .x', 'pages/%6Eul .x.html'],
  ['com¹', 'pages/%63om¹.html'],
  ['console', 'pages/console.html'],
  ['aux.', 'pages/%61ux%2E.html'],
  ['.GIT', 'pages/%2EGIT.html'],
  [' a ', 'pages/%20a%20.html'],
  ['~root', 'pages/%7Eroot.html'],
  ['a.html', 'pages/a%2Ehtml.html'],
  ['a.htm', 'pages/a.htm.html'],
  ['a\u200Db', 'pages/a%E2%80%8Db.html'],
  ['\u{E0001}', 'pages/%F3%A0%80%81.html'],
  ['x\n', 'pages/x%0A.html'],
  ['\uFEFFx', 'pages/%EF%BB%BFx.html'],
];

for (const [slug, path] of rendered) {
  test(`${JSON.stringify(slug)} is the file ${JSON.stringify(path)}`, () => {
    const pattern = parsePattern('pages/{slug}.html');
    assert.deepEqual(renderPath(pattern, { slug }), { path });
    assert.deepEqual(matchPath(pattern, path), { values: { slug } });
  });
}

test('encodes every place where the text after a placeholder would match', () => {
  const pattern = parsePattern('{a}aa{b}');
  assert.deepEqual(renderPath(pattern, { a: 'xa', b: 'aa' }), { path: 'x%61aaaa' });
  assert.deepEqual(matchPath(pattern, 'x%61aaaa'), { values: { a: 'xa', b: 'aa' } });
});

test('does not take the digits of an encoded character for the text after it', () => {
  const pattern = parsePattern('{a}2F{b}');
  assert.deepEqual(renderPath(pattern, { a: '/', b: 'x' }), { path: '%2F2Fx' });
  assert.deepEqual(matchPath(pattern, '%2F2Fx'), { values: { a: '/', b: 'x' } });
});

const refusals: [pattern: string, values: Record<string, string | null>, code: string][] = [
  ['{a}.html', { a: '' }, 'EMPTY_NAME'],
  ['{a}.html', { a: null }, 'EMPTY_NAME'],
  ['{a}.html', {}, 'EMPTY_NAME'],
  ['{toString}.html', {}, 'EMPTY_NAME'],
  ['{a}.html', { a: '\uD800' }, 'UNSAFE_PATH'],
  ['{a}.html', { a: 'x'.repeat(251) }, 'NAME_TOO_LONG'],
  ['{a}.html', { a: '/'.repeat(84) }, 'NAME_TOO_LONG'],
  [`${'x'.repeat(250)}/`.repeat(16) + '{a}', { a: 'x'.repeat(20) }, 'NAME_TOO_LONG'],
  ['.{a}/x', { a: 'git' }, 'UNSAFE_PATH'],
  ['{a}/x', { a: 'git~1' }, 'UNSAFE_PATH'],
  ['C{a}.html', { a: 'ON' }, 'UNSAFE_PATH'],
  ['{a}', { a: '4913' }, 'UNSAFE_PATH'],
  ['{a}', { a: 'notes~' }, 'UNSAFE_PATH'],
];

for (const [pattern, values, code] of refusals) {
  test(`refuses ${JSON.stringify(values).slice(0, 60)} in "${pattern.slice(0, 20)}" as ${code}`, () => {
    const result = renderPath(parsePattern(pattern), values);
    assert.ok('refused' in result);
    assert.equal(result.refused.code, code);
  });
}

test('takes a segment of exactly 255 bytes', () => {
  assert.ok('path' in renderPath(parsePattern('{a}.html'), { a: 'x'.repeat(250) }));
});

const wrong: [path: string, right: string, slug: string][] = [
  ['pages/100%.html', 'pages/100%25.html', '100%'],
  ['pages/a%2fb.html', 'pages/a%2Fb.html', 'a/b'],
  ['pages/%61.html', 'pages/a.html', 'a'],
  ['pages/%FF.html', 'pages/%25FF.html', '%FF'],
  ['pages/CON.html', 'pages/%43ON.html', 'CON'],
  ['pages/.x.html', 'pages/%2Ex.html', '.x'],
  ['pages/a.html.html', 'pages/a%2Ehtml.html', 'a.html'],
  ['pages/a:b.html', 'pages/a%3Ab.html', 'a:b'],
];

for (const [path, right, slug] of wrong) {
  test(`names "${right}" as the right path of "${path}"`, () => {
    assert.deepEqual(matchPath(parsePattern('pages/{slug}.html'), path), { wrong: right, values: { slug } });
  });
}

for (const path of ['pages/a.txt', 'pages/.html', 'pages/x/a.html', 'a.html', 'Pages/a.html', 'pages/a.HTML']) {
  test(`"${path}" is of another shape`, () => {
    assert.equal(matchPath(parsePattern('pages/{slug}.html'), path), null);
  });
}

test('a name whose right path is refused says so', () => {
  const result = matchPath(parsePattern('{a}/x'), 'git~1/x');
  assert.ok(result && 'refused' in result);
  assert.equal(result.refused.code, 'UNSAFE_PATH');
});

const hostile = fc.constantFrom(
  '..',
  '.git',
  'CON',
  'aux.',
  '%2F',
  '%',
  '-',
  '--',
  '.html',
  'html',
  '/',
  '\\',
  ' ',
  '.',
  '~',
  ':',
  '\u0000',
  '\u200D',
  '\uFFFD',
  '\uFEFF',
  'ß',
  '💥',
  'ff',
);
const value = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
  fc.array(hostile, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('')),
);
const pattern = fc
  .constantFrom(
    'pages/{a}/{b}.html',
    '{a}-{b}',
    '{a}--{b}--.html',
    '{a}aa{b}',
    'x{a}/y{b}',
    '{a}2F{b}F',
    '{a}.{b}/index.html',
    '{a}.html/{b}',
    '{a}ÿ{b}',
  )
  .map(parsePattern);

test('any two keys have different paths, and a path gives its key back', () => {
  fc.assert(
    fc.property(pattern, value, value, value, value, (pattern, a, b, c, d) => {
      const one = renderPath(pattern, { a, b });
      const other = renderPath(pattern, { a: c, b: d });
      if ('path' in one) {
        assert.deepEqual(matchPath(pattern, one.path), { values: { a, b } });
        assert.equal(checkPath(one.path), null);
        if ('path' in other) assert.equal(one.path === other.path, a === c && b === d);
      } else {
        assert.ok(['UNSAFE_PATH', 'NAME_TOO_LONG'].includes(one.refused.code));
      }
    }),
    { numRuns: 3000 },
  );
});

test('any file of the shape is read, and is its own path or names the one that is', () => {
  const name = fc
    .array(fc.oneof(hostile, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3 })), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.join('').replaceAll('/', ''));
  fc.assert(
    fc.property(pattern, name, name, (pattern, first, second) => {
      for (const path of [
        first,
        `${first}/${second}`,
        `pages/${first}/${second}.html`,
        `x${first}/y${second}`,
        `${first}.${second}/index.html`,
      ]) {
        const result = matchPath(pattern, path);
        if (result === null || 'refused' in result) continue;
        const right = 'wrong' in result ? result.wrong : path;
        assert.deepEqual(matchPath(pattern, right), { values: result.values });
        if ('wrong' in result) assert.notEqual(result.wrong, path);
      }
    }),
    { numRuns: 3000 },
  );
});

test('every code point survives as a key of its own', () => {
  const pattern = parsePattern('p/{key}.html');
  const paths = new Set<string>();
  let points = 0;
  for (let point = 0; point <= 0x10ffff; point += point < 0x3000 ? 1 : 7) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    const key = String.fromCodePoint(point);
    const result = renderPath(pattern, { key });
    assert.ok('path' in result);
    assert.deepEqual(matchPath(pattern, result.path), { values: { key } });
    paths.add(result.path);
    points++;
  }
  assert.equal(paths.size, points);
});
