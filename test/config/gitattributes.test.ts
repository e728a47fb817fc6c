import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proposeAttributes } from '../../src/config/gitattributes.ts';
import { createRepository } from '../helpers/repository.ts';

test('proposes the line that is missing', () => {
  assert.equal(proposeAttributes('db', null), 'db/** -text');
  assert.equal(proposeAttributes('db', '*.png binary\n'), 'db/** -text');
  assert.equal(proposeAttributes('db', '# x\r\n  db/** -text\r\n'), null);
  assert.equal(proposeAttributes('my texts', null), '"my texts/**" -text');
});

test('git takes the line for every file below the root, whatever the root is called', async () => {
  const repository = await createRepository();
  try {
    for (const root of ['db', 'a/b', 'my texts', 'x[1]', '!x', '#x', 'größe', "it's"]) {
      await repository.write('.gitattributes', `* text=auto\n${proposeAttributes(root, null)}\n`);
      assert.match(await repository.git('check-attr', '-z', 'text', '--', `${root}/pages/en/a b.html`), /\0unset\0$/, root);
      assert.match(await repository.git('check-attr', '-z', 'text', '--', 'other/a.html'), /\0auto\0$/, root);
    }
  } finally {
    await repository.cleanup();
  }
});
