import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEditorFile } from '../../src/core/editor-files.ts';

for (const name of [
  '4913',
  'a.html~',
  '.a.html.swp',
  '.swpx.swo',
  '#a.html#',
  '.#a.html',
  'a.html___jb_tmp___',
  'a.html___jb_old___',
  '.goutputstream-X1',
  '.~lock.a.odt#',
]) {
  test(`"${name}" is an editor's`, () => assert.equal(isEditorFile(name), true));
}

for (const name of ['a.html', '49130', 'a~b', 'a.swp', '.swap', '#a', 'a#', '.a', '___jb_', 'goutputstream-1', '.lock']) {
  test(`"${name}" is not`, () => assert.equal(isEditorFile(name), false));
}
