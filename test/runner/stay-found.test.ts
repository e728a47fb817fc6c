import assert from 'node:assert/strict';
import { lstat, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { connectRunner } from '../../src/runner/client.ts';
import { client } from '../helpers/runner-parts.ts';
import { pagesConfig } from '../helpers/project.ts';
import { at } from '../helpers/scenario.ts';
import { createSite, type Site, type SiteRunner } from '../helpers/site.ts';

async function watched(t: TestContext): Promise<{ site: Site; runner: SiteRunner }> {
  const site = await createSite(t, { pages: { home: 'home\n' }, hooks: false });
  const { repo } = site;
  const own = { platform: process.platform, uid: process.getuid?.() ?? null };
  const surroundings = { ...own, runtimeDir: repo.beside('run'), home: repo.beside('home'), tmpdir: repo.beside('run') };
  const runner = await site.runner({ surroundings });
  await runner.idle();
  return { site, runner };
}

const addressIn = async (site: Site): Promise<string> => (await readFile(join(site.stateFolder, 'socket'), 'utf8')).split('\n')[0]!;

/** Until the runner has told of so many sockets that it lost. */
const listens = ({ seen }: SiteRunner, times: number): Promise<unknown> =>
  seen.until((events) => events.filter((event) => event.type === 'warning' && event.message.includes('listening anew')).length === times);

async function assertFound(site: Site, text: string): Promise<void> {
  const connection = await connectRunner(client(site.stateFolder));
  assert.ok(connection, 'the runner is found');
  assert.equal(connection.pid, process.pid);
  connection.close();
  await site.repo.write(at('home'), text);
  const { code, stderr } = await site.cli(['sync', '--lock-timeout', '20']);
  assert.equal(code, 0, stderr);
  assert.deepEqual(await site.rows(), { home: text });
}

it('a runner whose socket is removed, as by who clears up, listens anew each time', async (t) => {
  const { site, runner } = await watched(t);
  for (const times of [1, 2]) {
    const before = await addressIn(site);
    await rm(before);
    await listens(runner, times);
    assert.equal(await addressIn(site), before);
    assert.ok((await lstat(before)).isSocket());
    await assertFound(site, `home ${times}\n`);
  }
  await rm(join(site.stateFolder, 'socket'));
  await listens(runner, 3);
  await assertFound(site, 'home 3\n');
});

it('a runner whose runtime folder goes, as at a log out, listens in another one', async (t) => {
  const { site, runner } = await watched(t);
  assert.ok((await addressIn(site)).startsWith(site.repo.beside('run')));
  await rm(site.repo.beside('run'), { recursive: true });
  await listens(runner, 1);
  assert.ok((await addressIn(site)).startsWith(join(site.repo.beside('home'), '.cache')));
  await assertFound(site, 'elsewhere\n');
  // The new place is watched as the first one was.
  await rm(await addressIn(site));
  await listens(runner, 2);
  await assertFound(site, 'again\n');
});

it('where no folder will do the runner says so, and listens once one does', async (t) => {
  const { site, runner } = await watched(t);
  await mkdir(site.repo.beside('home'), { recursive: true });
  await writeFile(join(site.repo.beside('home'), '.cache'), 'no folder\n');
  await rm(site.repo.beside('run'), { recursive: true });
  await runner.seen.until((events) => events.some((event) => event.type === 'warning' && event.message.includes('Nobody can reach')));
  await mkdir(site.repo.beside('run'), { mode: 0o700 });
  // It looks from time to time; a change of the note is a reason to look now.
  await writeFile(join(site.stateFolder, 'socket'), 'nonsense\n');
  await listens(runner, 1);
  await assertFound(site, 'found\n');
});

it('a runner whose repository is moved leaves, and the next command works in the new place', async (t) => {
  const { site, runner } = await watched(t);
  const { repo } = site;
  const moved = repo.beside('moved');
  await rename(repo.path, moved);
  // What is asked of it there fails, and that is when it looks.
  await site.cli(['sync', '--lock-timeout', '20'], { cwd: moved });
  assert.match(await runner.asked, /was moved or removed/);
  await runner.close();
  await writeFile(join(moved, at('home')), 'from there\n');
  const { code, stderr } = await site.cli(['sync'], { cwd: moved });
  assert.equal(code, 0, stderr);
  assert.deepEqual(await site.rows(), { home: 'from there\n' });
});

it('a runner whose state folder is removed leaves, and keeps nobody from working', async (t) => {
  const { site, runner } = await watched(t);
  await rm(site.stateFolder, { recursive: true });
  assert.match(await runner.asked, /was moved or removed/);
  await runner.close();
  await site.configure(pagesConfig);
  await site.repo.write(at('home'), 'by another process\n');
  const { conflicts } = await site.run('sync');
  assert.equal(conflicts.length, 1, 'without a base nobody knows which one is newer');
});
