import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { at } from '../helpers/scenario.ts';
import { createSite, type Site } from '../helpers/site.ts';

/** Two commits, the first one tagged; rows and files hold the second. */
async function twoCommits(t: TestContext): Promise<Site> {
  const site = await createSite(t, { pages: { home: 'first\n' }, prepare: async ({ repo }) => void (await repo.git('tag', 'first')) });
  await site.write(at('home'), 'second\n');
  await site.repo.git('commit', '--quiet', '--all', '--message', 'Second');
  assert.equal((await site.rows())['home'], 'second\n');
  return site;
}

it('rows follow a bisect, which may go on for days', async (t) => {
  const site = await twoCommits(t);
  await site.repo.git('bisect', 'start');
  await site.repo.git('switch', '--quiet', '--detach', 'first');
  assert.equal((await site.rows())['home'], 'first\n');
});

it('a hook waits for the lock of another git command, and says so where that takes too long', async (t) => {
  const site = await twoCommits(t);
  const lock = join(site.gitDir, 'index.lock');
  const checkout = async (): Promise<string> => {
    await site.repo.git('-c', 'core.hooksPath=/dev/null', 'switch', '--quiet', '--detach', 'first');
    await writeFile(lock, '');
    return (await site.cli(['hook', 'post-checkout'])).stderr;
  };
  assert.match(await checkout(), /Another git command is at work: "db" is not imported; `npx sync-run import` does it/);
  assert.equal((await site.rows())['home'], 'second\n');
  const waiting = site.cli(['hook', 'post-checkout']);
  await rm(lock);
  assert.match((await waiting).stderr, /Brought 1 change to the database/);
  assert.equal((await site.rows())['home'], 'first\n');
});
