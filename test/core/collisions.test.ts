import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { findCollisions } from '../../src/core/collisions.ts';

const twins: [why: string, paths: string[]][] = [
  ['case', ['a/Index.html', 'a/index.HTML']],
  ['case of another script', ['Ж', 'ж']],
  ['Unicode form', ['caf\u00E9', 'cafe\u0301']],
  ['sharp s', ['Straße', 'STRASSE']],
  ['capital sharp s', ['STRA\u1E9EE', 'straße']],
  ['ligature', ['\uFB01x', 'fix']],
  ['compatible characters', ['ｆｕｌｌ', 'full']],
  ['final sigma', ['ΟΔΟΣ', 'οδος', 'οδοσ']],
  ['Kelvin', ['\u212A', 'k']],
  ['characters file systems ignore', ['a\u200Db', 'ab']],
  ['dotted capital I', ['\u0130', 'i\u0307']],
  ['directories', ['Straße/x', 'STRASSE/y']],
  ['directories deep down', ['a/B/c/1', 'a/b/c/2', 'a/b/d']],
  ['a file where a directory is needed', ['a', 'a/b', 'a/c/d']],
  ['a file where a directory is needed, by case', ['A', 'a/b']],
];

for (const [why, paths] of twins) {
  test(`twins by ${why}`, () => {
    assert.deepEqual(findCollisions(paths), [paths]);
    assert.deepEqual(findCollisions([...paths, 'other', 'z/other']), [paths]);
  });
}

const different: [why: string, paths: string[]][] = [
  ['the dotless i is a letter of its own', ['kıl', 'kil', 'kıL'.slice(0, 2)]],
  ['a path given twice is one path', ['a/b', 'a/b']],
  ['siblings', ['a/b', 'a/c', 'ab', 'a/b.html']],
  ['a slash in a name is none between names', ['a\uFF0Fb', 'a/b']],
];

for (const [why, paths] of different) {
  test(why, () => {
    assert.deepEqual(findCollisions(paths), []);
  });
}

test('groups are apart', () => {
  assert.deepEqual(findCollisions(['b', 'A', 'a', 'x/1', 'B', 'X/2', 'c']), [
    ['b', 'B'],
    ['A', 'a'],
    ['x/1', 'X/2'],
  ]);
});

test('paths of lower case ASCII letters, none the directory of another, never collide', () => {
  const path = fc.tuple(fc.stringMatching(/^[a-z]{1,2}$/), fc.stringMatching(/^[a-z]{1,2}$/)).map((names) => names.join('/'));
  fc.assert(fc.property(fc.array(path), (paths) => assert.deepEqual(findCollisions(paths), [])));
});

test('a path and its upper case are always twins', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).filter((name) => !/[/ı]/.test(name)),
      (name) => {
        const other = name.toUpperCase();
        assert.equal(findCollisions([name, other]).length, other === name ? 0 : 1);
      },
    ),
  );
});
