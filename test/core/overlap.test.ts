import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { commonPath, disjoint, findOverlaps } from '../../src/core/overlap.ts';
import { matchPath, parsePattern, placeholders, renderPath } from '../../src/core/pattern.ts';

const pairs: [a: string, b: string, overlap: boolean][] = [
  ['pages/{slug}.html', 'pages/{slug}.html', true],
  ['pages/{slug}.html', 'blocks/{slug}.html', false],
  ['pages/{slug}.html', '{folder}/index.html', true],
  ['pages/{slug}.html', '{folder}/{name}', true],
  ['pages/{slug}.html', 'pages/{lang}/{slug}.html', false],
  ['{a}.html', '{a}.css', false],
  ['{a}.html', '{a}.min.html', true],
  ['{a}.html', 'x{a}.html', true],
  ['a{x}', 'b{x}', false],
  ['{x}', 'fixed', true],
  ['x{a}', 'x', false],
  ['{lang}-{slug}.html', 'en_{slug}.html', true],
  ['{lang}-{slug}.html', '{slug}.txt', false],
  ['{a}-b', '{x}-c-b', true],
  // In a value, what ends it is encoded, so it stands once only.
  ['{a}-b', 'x-b{y}-b', false],
  ['{a}--', '{x}---', false],
  ['{a}aab', '{x}ab', true],
  ['.html{a}', '{a}.html', false],
];

for (const [a, b, overlap] of pairs) {
  test(`"${a}" and "${b}" ${overlap ? 'share a path' : 'share no path'}`, () => {
    const [left, right] = [parsePattern(a), parsePattern(b)];
    for (const path of [commonPath(left, right), commonPath(right, left)]) {
      assert.equal(path !== null, overlap, `found ${path}`);
      if (path === null) continue;
      for (const pattern of [left, right]) assert.ok('values' in (matchPath(pattern, path) ?? {}), `${path} does not fit ${pattern.text}`);
    }
  });
}

const piece = fc.constantFrom('a', 'b', '-', 'ab', 'a-');
const pattern = fc
  .array(fc.tuple(piece, fc.boolean()), { minLength: 1, maxLength: 3 })
  .chain((parts) => fc.record({ lead: fc.boolean(), parts: fc.constant(parts) }))
  .map(({ lead, parts }) =>
    parts.reduce((text, [literal, placeholder], index) => `${text}${literal}${placeholder ? `{p${index}}` : ''}`, lead ? '{lead}' : ''),
  );

test('whatever path two patterns can both write is found, and nothing else', () => {
  const value = fc.string({ unit: fc.constantFrom('a', 'b', '-', 'x'), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(pattern, pattern, fc.array(value, { minLength: 4, maxLength: 4 }), (a, b, values) => {
      const [left, right] = [parsePattern(a), parsePattern(b)];
      const common = commonPath(left, right);
      if (common !== null) {
        for (const each of [left, right]) {
          const matched = matchPath(each, common);
          assert.ok(matched !== null && !('wrong' in matched), `${common} is not the right path of ${each.text}`);
        }
      }
      const rendered = renderPath(left, Object.fromEntries(placeholders(left).map((name, index) => [name, values[index]!])));
      if (!('path' in rendered)) return;
      const matched = matchPath(right, rendered.path);
      if (matched !== null && !('wrong' in matched) && !('refused' in matched))
        assert.notEqual(common, null, `both write ${rendered.path}`);
    }),
    { numRuns: 2000 },
  );
});

test('constants keep rows apart only where both have the same column with different values', () => {
  assert.equal(disjoint({ type: 'page' }, { type: 'block' }), true);
  assert.equal(disjoint({ type: 'page' }, { type: 'page' }), false);
  assert.equal(disjoint({ type: 'page' }, { lang: 'en' }), false);
  assert.equal(disjoint({ type: 'page' }, {}), false);
  assert.equal(disjoint({ live: 1 }, { live: true }), false);
  assert.equal(disjoint({ live: 1 }, { live: '1' }), false);
  assert.equal(disjoint({ live: null }, { live: 0 }), true);
  assert.equal(disjoint({ live: null }, { live: 'null' }), true);
});

test('an overlap names both mappings', () => {
  const mapping = (name: string, path: string, table: string, where: Record<string, string> = {}) => ({
    name,
    table,
    where,
    pattern: parsePattern(path),
  });
  const rows = findOverlaps([mapping('a', '{slug}.html', 'pages'), mapping('b', '{slug}.txt', 'pages')]);
  assert.equal(rows.length, 1);
  assert.match(rows[0]!, /"a" and "b" can select the same row of "pages"/);
  const files = findOverlaps([mapping('a', '{slug}.html', 'pages'), mapping('b', '{slug}.html', 'blocks')]);
  assert.equal(files.length, 1);
  assert.match(files[0]!, /"a" and "b" can claim the same file, for example "x\.html"/);
  assert.deepEqual(findOverlaps([mapping('a', '{slug}.html', 'pages'), mapping('b', '{slug}.txt', 'blocks')]), []);
  const apart = [mapping('a', '{slug}.html', 'pages', { type: 'page' }), mapping('b', '{slug}.txt', 'pages', { type: 'block' })];
  assert.deepEqual(findOverlaps(apart), []);
});
