import assert from 'node:assert/strict';
import { lstat, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readUrl, writeUrl } from '../../src/state/secrets.ts';
import { scratchFolder } from './samples.ts';

test('the URL is kept in a private file and can be replaced', async (t) => {
  const folder = await scratchFolder(t);
  assert.equal(await readUrl(folder), null);
  for (const url of ['mysql://user:p%40ss@localhost/forum', 'sqlite:forum.db']) {
    await writeUrl(folder, url);
    assert.equal(await readUrl(folder), url);
    assert.equal((await lstat(join(folder, 'url'))).mode & 0o777, 0o600);
    assert.equal((await lstat(folder)).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(folder), ['url']);
  }
});

test('writing replaces a link instead of following it', async (t) => {
  const folder = await scratchFolder(t);
  await mkdir(folder);
  await writeFile(`${folder}-victim`, 'untouched');
  await symlink(`${folder}-victim`, join(folder, 'url'));
  await writeUrl(folder, 'sqlite:x');
  assert.equal(await readFile(`${folder}-victim`, 'utf8'), 'untouched');
  assert.equal(await readUrl(folder), 'sqlite:x');
});

test('a URL that cannot be stored or read is an error that does not show it, and leaves nothing behind', async (t) => {
  const folder = await scratchFolder(t);
  await mkdir(join(folder, 'url'), { recursive: true });
  await assert.rejects(writeUrl(folder, 'mysql://u:secret@h/d'), (error: Error) => {
    assert.ok(!String(error).includes('secret'));
    return true;
  });
  assert.deepEqual(await readdir(folder), ['url']);
  await assert.rejects(readUrl(folder), { code: 'IO' });
  await rm(join(folder, 'url'), { recursive: true });
  assert.equal(await readUrl(folder), null);
});
