import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { digest } from '../../src/core/digest.ts';
import { canonical, lfDigest, toRowNewlines } from '../../src/core/newlines.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (from: Uint8Array): string => new TextDecoder().decode(from);

const canonicals: [from: string, to: string][] = [
  ['', ''],
  ['a', 'a'],
  ['a\nb', 'a\nb'],
  ['a\r\nb\r\n', 'a\nb\n'],
  ['\r\n', '\n'],
  ['a\r\nb\n', 'a\r\nb\n'],
  ['a\nb\r\n', 'a\nb\r\n'],
  ['a\rb', 'a\rb'],
  ['a\r\nb\r', 'a\r\nb\r'],
  ['a\r\r\n', 'a\r\r\n'],
];

for (const [from, to] of canonicals) {
  test(`${JSON.stringify(from)} is ${JSON.stringify(to)}`, () => {
    assert.equal(text(canonical(bytes(from), 'lf')), to);
    assert.equal(text(canonical(bytes(from), 'exact')), from);
    assert.equal(lfDigest(bytes(from)), digest(bytes(to)));
  });
}

const rows: [text: string, old: string | null, row: string][] = [
  ['a\nb\n', 'x\r\n', 'a\r\nb\r\n'],
  ['a\nb\n', 'x\n', 'a\nb\n'],
  ['a\nb\n', 'x', 'a\nb\n'],
  ['a\nb\n', null, 'a\nb\n'],
  ['a\nb\n', 'x\r\ny\n', 'a\nb\n'],
  ['a', 'x\r\n', 'a'],
  ['a\r\nb\n', 'x\r\n', 'a\r\nb\n'],
];

for (const [from, old, row] of rows) {
  test(`${JSON.stringify(from)} over ${JSON.stringify(old)} is stored as ${JSON.stringify(row)}`, () => {
    assert.equal(text(toRowNewlines(bytes(from), old === null ? null : bytes(old))), row);
  });
}

test('what goes into a row comes out as the same text', () => {
  const any = fc.array(fc.constantFrom('a', '\r', '\n', '\r\n', 'ü'), { maxLength: 8 }).map((parts) => bytes(parts.join('')));
  fc.assert(
    fc.property(any, any, (from, old) => {
      const wanted = canonical(from, 'lf');
      assert.deepEqual(text(canonical(toRowNewlines(wanted, old), 'lf')), text(wanted));
    }),
    { numRuns: 1000 },
  );
});
