import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Request } from '../../src/runner/request.ts';
import { createProject, done, exitOf, nothing, pagesConfig, type Project } from '../helpers/project.ts';
import { addPages, assertQuiet, at, bodies, conflicts, rowOf, setBody, skips } from '../helpers/scenario.ts';

const withRules = (over: object) => ({ ...pagesConfig, mappings: [{ ...pagesConfig.mappings[0], ...over }] });

async function pages(t: TestContext, over: object = {}): Promise<Project> {
  const project = await createProject(t, { engine: 'sqlite' });
  await addPages(project.db, { home: 'home', about: 'about', news: 'news', late: 'late' });
  await project.run('sync');
  await project.repo.commit('Export');
  await project.configure(withRules(over));
  return project;
}

describe('a mapping', () => {
  it('that goes one way only leaves the other side alone, says so, and is no failure', async (t) => {
    for (const direction of ['rows-to-files', 'files-to-rows'] as const) {
      const project = await pages(t, { direction });
      await project.write(at('home'), 'home edited');
      await project.write(at('new'), 'new');
      await project.repo.remove(at('late'));
      await setBody(project.db, 'about', 'about edited');
      await addPages(project.db, { panel: 'panel' });
      await project.db.sql("DELETE FROM pages WHERE slug = 'news'");
      const report = await project.run('sync');
      assert.equal(exitOf(report), 0);
      const rows = await bodies(project.db);
      const files = await project.files();
      if (direction === 'rows-to-files') {
        assert.deepEqual(skips(report), { [at('home')]: 'DIRECTION', [at('new')]: 'DIRECTION', [at('late')]: 'DIRECTION' });
        assert.deepEqual(rows, { home: 'home', about: 'about edited', late: 'late', panel: 'panel' });
        assert.deepEqual(
          [files[at('about')], files[at('panel')], files[at('news')], files[at('home')]],
          ['about edited', 'panel', undefined, 'home edited'],
        );
      } else {
        assert.deepEqual(skips(report), { [at('about')]: 'DIRECTION', [at('panel')]: 'DIRECTION', [at('news')]: 'DIRECTION' });
        assert.deepEqual(rows, { home: 'home edited', about: 'about edited', new: 'new', panel: 'panel' });
        assert.deepEqual([files[at('about')], files[at('news')]], ['about', 'news']);
      }
    }
  });

  it('that goes one way only is not merged, since a merge writes both sides', async (t) => {
    for (const direction of ['rows-to-files', 'files-to-rows'] as const) {
      const project = await pages(t);
      await project.write(at('home'), 'one\n2\n3\nfour\n');
      await project.run('sync');
      await project.configure(withRules({ direction }));
      await project.write(at('home'), 'ONE\n2\n3\nfour\n');
      await setBody(project.db, 'home', 'one\n2\n3\nFOUR\n');
      const report = await project.resolve('merge', at('home'));
      assert.deepEqual([skips(report), exitOf(report)], [{ [at('home')]: 'DIRECTION' }, 0]);
      assert.deepEqual([await project.read(at('home')), (await bodies(project.db)).home], ['ONE\n2\n3\nfour\n', 'one\n2\n3\nFOUR\n']);
    }
  });

  it('with "newlines": "lf" is merged line by line whatever the newlines of the row', async (t) => {
    const project = await pages(t, { newlines: 'lf' });
    await setBody(project.db, 'home', 'one\r\n2\r\n3\r\nfour\r\n');
    await project.run('sync');
    await project.write(at('home'), 'ONE\n2\n3\nfour\n');
    await setBody(project.db, 'home', 'one\r\n2\r\n3\r\nFOUR\r\n');
    assert.equal(exitOf(await project.resolve('merge', at('home'))), 0);
    assert.deepEqual([await project.read(at('home')), (await bodies(project.db)).home], ['ONE\n2\n3\nFOUR\n', 'ONE\r\n2\r\n3\r\nFOUR\r\n']);
    await assertQuiet(project);
  });

  it('that ignores deletions applies none, on either side', async (t) => {
    const project = await pages(t, { delete: 'ignore' });
    await project.repo.remove(at('home'));
    await project.db.sql("DELETE FROM pages WHERE slug = 'about'");
    const report = await project.run('sync');
    assert.deepEqual([done(report), exitOf(report)], [{ ...nothing, adopted: 0, conflicts: [] }, 0]);
    assert.deepEqual(skips(report), { [at('home')]: 'DELETE_IGNORED', [at('about')]: 'DELETE_IGNORED' });
    await project.resolve('row', at('home'));
    assert.equal(await project.read(at('home')), 'home');
    await project.resolve('file', at('about'));
    assert.equal((await rowOf(project.db, 'about'))?.note, 'none', 'no deletion of ours, so the row is a new one');
    await assertQuiet(project);
  });

  it('that excludes paths names them once, and takes them up again where they are no longer excluded', async (t) => {
    const project = await pages(t, { exclude: ['**/home.html', 'pages/en/n*'] });
    await project.write(at('home'), 'home edited');
    await setBody(project.db, 'news', 'news edited');
    await project.write(at('about'), 'about edited');
    const report = await project.run('sync');
    assert.deepEqual([skips(report), exitOf(report), report.rows.written], [{ [at('home')]: 'EXCLUDED', [at('news')]: 'EXCLUDED' }, 0, 1]);
    assert.equal(report.skipped.length, 2);
    await project.configure(pagesConfig);
    const after = await project.run('sync');
    assert.deepEqual([after.rows.written, after.files.written, conflicts(after)], [1, 1, []]);
    await assertQuiet(project);
  });
});

describe('a look at a few saved files', () => {
  const few: Partial<Request> = { source: 'watcher', paths: [at('home')] };

  it('leaves an excluded file alone as a look at everything does', async (t) => {
    const project = await pages(t, { exclude: ['**/home.html'] });
    await project.write(at('home'), 'home edited');
    const report = await project.run('import', few);
    assert.deepEqual([skips(report)[at('home')], (await bodies(project.db)).home], ['EXCLUDED', 'home']);
  });

  it('takes a row that "where" no longer selects for one that is gone', async (t) => {
    const project = await pages(t);
    await project.db.sql("UPDATE pages SET type = 'archived' WHERE slug = 'home'");
    await project.write(at('home'), 'home edited');
    const report = await project.run('import', few);
    assert.deepEqual([conflicts(report), (await bodies(project.db)).home], [[at('home')], 'home']);
  });
});

describe('paths on the command line', () => {
  it('narrow a run to files and folders; the rest keeps its base', async (t) => {
    const project = await pages(t);
    await addPages(project.db, { hallo: 'hallo' }, { lang: 'de' });
    for (const slug of ['home', 'about']) await project.write(at(slug), `${slug} edited`);
    await setBody(project.db, 'news', 'news edited');
    const one = await project.run('sync', { paths: [at('home')] });
    assert.deepEqual(done(one), { ...nothing, rows: { ...nothing.rows, written: 1 }, adopted: 0, conflicts: [] });
    assert.equal((await bodies(project.db)).about, 'about');
    const folder = await project.run('sync', { paths: ['db/pages/de'] });
    assert.deepEqual(folder.files, { ...nothing.files, written: 1 });
    await setBody(project.db, 'about', 'about edited otherwise');
    const rest = await project.run('sync');
    assert.deepEqual([conflicts(rest), rest.files.written], [[at('about')], 1], 'the base of what was not named is as it was');
    assert.equal((await project.run('sync', { paths: [at('about')], prefer: 'row' })).files.written, 1);
    await assertQuiet(project);
  });

  it('find an item by its old path, its new path, and the path of its row', async (t) => {
    for (const path of [at('home'), at('start')]) {
      const project = await pages(t);
      await project.repo.move(at('home'), at('start'));
      assert.equal((await project.run('sync', { paths: [path] })).rows.renamed, 1, path);
      await project.db.sql("UPDATE pages SET slug = 'index' WHERE slug = 'start'");
      assert.equal((await project.run('sync', { paths: [at('index')] })).files.renamed, 1);
      await assertQuiet(project);
    }
  });

  it('do not let a branch switch be forgotten: what was not named is still deleted by a hook', async (t) => {
    const project = await pages(t);
    await project.run('sync');
    await project.repo.git('rm', '--quiet', at('home'), at('about'));
    await project.repo.commit('Two less');
    await project.run('import', { paths: [at('home')] });
    const report = await project.run('import', { source: 'hook' });
    assert.equal(report.rows.deleted, 1);
    assert.deepEqual(Object.keys(await bodies(project.db)), ['news', 'late']);
  });
});
