import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countLine, objections, parseDenoOutput } from './helpers/tally.ts';

test('a run without tests, an empty file and an unexplained skip are objected to', () => {
  assert.deepEqual(objections({ passed: 3, failed: 0, skipped: [], empty: [] }), []);
  assert.deepEqual(objections({ passed: 0, failed: 0, skipped: [], empty: [] }), ['No test was run']);
  assert.deepEqual(objections({ passed: 1, failed: 0, skipped: [], empty: ['test/x.test.ts'] }), ['No test in "test/x.test.ts"']);
  const skipping = { passed: 1, failed: 0, skipped: ['explained', 'not explained'], empty: [] };
  const found = objections(skipping, { explained: 'needs another file system' });
  assert.deepEqual(found, ['Skipped without being in the list of allowed skips: "not explained"']);
});

test('the last line is plain', () => {
  assert.equal(countLine({ passed: 12, failed: 1, skipped: ['a', 'b'], empty: [] }), '12 passed, 1 failed, 2 skipped');
});

test('what deno prints is counted', () => {
  const output = [
    './test/a.test.ts => first one ... ok (3ms)',
    './test/a.test.ts => left out ... ignored (0ms)',
    '',
    'FAILED | 41 passed (3 steps) | 2 failed (1 step) | 1 ignored (6s)',
    '',
  ].join('\n');
  assert.deepEqual(parseDenoOutput(output), { passed: 41, failed: 2, skipped: ['left out'], empty: [] });
  assert.equal(parseDenoOutput('error: Module not found'), null);
});
