import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createProject, done, exitOf, nothing, pagesConfig, type Project } from '../helpers/project.ts';
import { addPages, assertQuiet, at, bodies, setBody, skips } from '../helpers/scenario.ts';

async function pages(t: TestContext): Promise<Project> {
  const project = await createProject(t, { engine: 'sqlite' });
  await addPages(project.db, { home: 'home\n', about: 'about\n', news: 'news\n' });
  await project.run('sync');
  await project.repo.commit('Export');
  return project;
}
const markers = '<<<<<<< HEAD\nmine\n=======\ntheirs\n>>>>>>> other\n';

describe('a merge stopped by a conflict', () => {
  it('brings what merged, and leaves the unmerged path on both sides until it is resolved', async (t) => {
    const project = await pages(t);
    await project.repo.git('switch', '--quiet', '--create', 'other');
    await project.write(at('home'), 'theirs\n');
    await project.write(at('about'), 'about, theirs\n');
    await project.repo.commit('Theirs');
    await project.repo.git('switch', '--quiet', 'main');
    await project.write(at('home'), 'mine\n');
    await project.repo.commit('Mine');
    await project.run('sync');
    await assert.rejects(project.repo.git('merge', '--quiet', 'other'));
    const marked = await project.read(at('home'));
    assert.match(marked, /^<{7} /m);
    await setBody(project.db, 'news', 'news from the panel\n');
    const report = await project.run('sync');
    assert.deepEqual([skips(report), exitOf(report)], [{ [at('home')]: 'UNMERGED' }, 1]);
    assert.deepEqual(await bodies(project.db), { home: 'mine\n', about: 'about, theirs\n', news: 'news from the panel\n' });
    assert.equal(await project.read(at('home')), marked);
    await setBody(project.db, 'home', 'edited in the panel\n');
    assert.deepEqual(skips(await project.run('export', { prefer: 'row' })), { [at('home')]: 'UNMERGED' });
    await setBody(project.db, 'home', 'mine\n');
    await project.write(at('home'), 'both\n');
    await project.repo.commit('Merge');
    assert.equal((await project.run('sync')).rows.written, 1);
    assert.equal((await bodies(project.db)).home, 'both\n');
    await assertQuiet(project);
  });
});

describe('conflict markers', () => {
  it('that are new are not imported, whether git knows the file or not', async (t) => {
    const project = await pages(t);
    await project.write(at('home'), markers);
    await project.write(at('new'), markers);
    const report = await project.run('import');
    assert.deepEqual(skips(report), { [at('home')]: 'UNMERGED', [at('new')]: 'UNMERGED' }, 'new conflict markers are named');
    assert.deepEqual(done(report), { ...nothing, adopted: 0, conflicts: [] });
    assert.deepEqual(Object.keys(await bodies(project.db)), ['home', 'about', 'news']);
  });

  it('that a text had all along are a text like any other', async (t) => {
    const project = await pages(t);
    await addPages(project.db, { lesson: `How to merge\n${markers}` });
    await project.run('sync');
    await project.write(at('lesson'), `How to merge, revised\n${markers}`);
    assert.equal((await project.run('sync')).rows.written, 1);
    await assertQuiet(project);
  });
});

describe('a sparse checkout', () => {
  it('takes paths out of scope both ways: nothing is deleted, nothing is written', async (t) => {
    const project = await pages(t);
    await addPages(project.db, { hallo: 'hallo' }, { lang: 'de' });
    await project.run('sync');
    await project.repo.commit('German');
    await project.repo.git('sparse-checkout', 'set', '--no-cone', '/*', '!/db/pages/de/');
    assert.equal(Object.hasOwn(await project.files(), at('hallo', 'de')), false);
    for (const direction of ['sync', 'import', 'export'] as const) {
      for (const source of ['cli', 'hook'] as const) {
        const report = await project.run(direction, { source });
        assert.deepEqual([report.rows, report.files, exitOf(report)], [nothing.rows, nothing.files, 0]);
      }
    }
    await setBody(project.db, 'hallo', 'edited in the panel');
    const report = await project.run('sync');
    assert.deepEqual([report.files, skips(report)], [nothing.files, { [at('hallo', 'de')]: 'SPARSE' }]);
    assert.equal(Object.hasOwn(await project.files(), at('hallo', 'de')), false);
    await project.repo.git('sparse-checkout', 'disable');
    const back = await project.run('sync');
    assert.equal(back.files.written, 1);
    assert.equal(await project.read(at('hallo', 'de')), 'edited in the panel');
    await assertQuiet(project);
  });

  it('brings back no row that was deleted meanwhile', async (t) => {
    const project = await pages(t);
    await addPages(project.db, { hallo: 'hallo' }, { lang: 'de' });
    await project.run('sync');
    await project.repo.commit('German');
    await project.repo.git('sparse-checkout', 'set', '--no-cone', '/*', '!/db/pages/de/');
    await project.db.sql("DELETE FROM pages WHERE slug = 'hallo'");
    await project.run('sync');
    await project.repo.git('sparse-checkout', 'disable');
    const report = await project.run('sync');
    assert.deepEqual([report.rows.inserted, report.files.deleted], [0, 1]);
    await assertQuiet(project);
  });

  it('is known also where no batch has seen the path: a row is not written over what the commit holds', async (t) => {
    const project = await pages(t);
    await addPages(project.db, { hallo: 'hallo' }, { lang: 'de' });
    await project.run('sync');
    await project.repo.commit('German');
    await project.repo.git('sparse-checkout', 'set', '--no-cone', '/*', '!/db/pages/de/');
    await rm(join(project.repo.path, '.git/sync-run'), { recursive: true });
    await project.configure(pagesConfig);
    await setBody(project.db, 'hallo', 'older than the commit');
    const report = await project.run('sync');
    assert.deepEqual([report.files, skips(report)], [nothing.files, { [at('hallo', 'de')]: 'SPARSE' }]);
    assert.equal(Object.hasOwn(await project.files(), at('hallo', 'de')), false);
  });
});
