import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson, JsonError, lineAndColumn, parseJson } from '../../src/config/json.ts';

const broken: [text: string, where: string, message: RegExp][] = [
  ['', '1:1', /Expected a value, found the end of the file/],
  ['{', '1:2', /Expected a name in double quotes, found the end/],
  ['{\n  "a": 1,\n}', '2:9', /Remove the "," before the "}"/],
  ['[1,\n]', '1:3', /Remove the "," before the "]"/],
  ['{\n  "a" 1\n}', '2:7', /Expected ":", found "1"/],
  ['{"a": 1 "b": 2}', '1:9', /Expected "," or "}", found a double quote/],
  ['{\r\n// x\r\n}', '2:1', /found a comment/],
  ["{'a': 1}", '1:2', /single quote/],
  ['{"a": tru}', '1:7', /Expected a value, found "tru"/],
  ['{"a": 01}', '1:7', /Expected a value, found "01"/],
  ['{"a": "x\n"}', '1:7', /not closed/],
  ['{"a": "\\d"}', '1:8', /Unknown escape/],
  ['{"a": "\t"}', '1:8', /control character/],
  ['{"a": 1, "a": 2}', '1:10', /"a" is there twice/],
  ['{"__proto__": {}}', '1:2', /"__proto__" is not allowed/],
  ['{} x', '1:4', /Expected the end of the file, found "x"/],
  ['['.repeat(40), '1:34', /Nested deeper/],
];

for (const [text, where, message] of broken) {
  test(`${JSON.stringify(text.slice(0, 30))} breaks at ${where}`, () => {
    assert.throws(
      () => parseJson(text),
      (error) => {
        assert.ok(error instanceof JsonError);
        assert.match(error.message, message);
        const { line, column } = lineAndColumn(text, error.offset);
        assert.equal(`${line}:${column}`, where);
        return true;
      },
    );
  });
}

test('reads all that JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      if (text.includes('__proto__')) return;
      assert.deepEqual(parseJson(text), JSON.parse(text));
    }),
  );
  const long = JSON.stringify('x'.repeat(500_000));
  assert.equal((parseJson(long) as string).length, 500_000);
});

test('refuses all that JSON.parse refuses', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '1', '-', '.', 'e', ' ', '\\', 'null', 'a') }),
      (text) => {
        try {
          JSON.parse(text);
        } catch {
          assert.throws(() => parseJson(text), JsonError);
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test('the canonical form does not depend on the order of keys', () => {
  assert.equal(canonicalJson({ b: [{ d: 1, c: 2 }], a: null }), canonicalJson({ a: null, b: [{ c: 2, d: 1 }] }));
  assert.notEqual(canonicalJson({ a: [1, 2] }), canonicalJson({ a: [2, 1] }));
});
