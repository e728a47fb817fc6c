import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countLine, objections, parseDenoOutput, type Tally } from './helpers/tally.ts';

const clean: Tally = { runtime: 'node', passed: 3, failed: 0, skipped: [], empty: [] };

test('a run without tests and a file without tests are objected to', () => {
  assert.deepEqual(objections(clean), []);
  assert.deepEqual(objections({ ...clean, passed: 0 }), ['No test was run']);
  assert.deepEqual(objections({ ...clean, empty: ['test/x.test.ts'] }), ['No test in "test/x.test.ts"']);
});

test('a skip needs an entry for its file, its name and its runtime', () => {
  const skipped = ['one', 'two'].map((name) => ({ file: 'test/a.test.ts', name }));
  const allowed = [{ runtime: 'node' as const, file: 'test/a.test.ts', tests: /^one$/, reason: 'needs another file system' }];
  const refused = (name: string) => `Skipped, and not in the list of allowed skips: "${name}" in "test/a.test.ts"`;
  assert.deepEqual(objections({ ...clean, skipped }, allowed), [refused('two')]);
  assert.deepEqual(objections({ ...clean, skipped, runtime: 'deno' }, allowed), [refused('one'), refused('two')]);
  assert.deepEqual(objections({ ...clean, skipped }, [{ runtime: 'node', file: 'test/b.test.ts', reason: 'other' }]).length, 2);
});

test('the last line is plain', () => {
  const skipped = [{ file: 'test/a.test.ts', name: 'a' }];
  assert.equal(countLine({ ...clean, passed: 12, failed: 1, skipped }), '12 passed, 1 failed, 1 skipped');
});

test('what deno prints is counted', () => {
  const output = [
    './test/a.test.ts => first one ... ok (3ms)',
    './test/a.test.ts => left out, on purpose ... ignored (0ms)',
    '',
    'FAILED | 41 passed (3 steps) | 2 failed (1 step) | 1 ignored (6s)',
    '',
  ].join('\n');
  const skipped = [{ file: 'test/a.test.ts', name: 'left out, on purpose' }];
  assert.deepEqual(parseDenoOutput(output), { runtime: 'deno', passed: 41, failed: 2, skipped, empty: [] });
  assert.equal(parseDenoOutput('error: Module not found'), null);
});
