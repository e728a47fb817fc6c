import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { codesDocument } from '../../scripts/codes.ts';

test('docs/codes.md is what the source says', async () => {
  const committed = await readFile(new URL('../../docs/codes.md', import.meta.url), 'utf8');
  assert.equal(committed, codesDocument(), 'Run "npm run codes"');
});
