import assert from 'node:assert/strict';
import { lstat, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createProject, exitOf, type Project } from '../helpers/project.ts';
import { addPages, assertQuiet, at, bodies, refusalOf, setBody, skips } from '../helpers/scenario.ts';

async function pages(t: TestContext): Promise<Project & { outside: string }> {
  const project = await createProject(t, { engine: 'sqlite' });
  await addPages(project.db, { home: 'home', about: 'about', news: 'news' });
  await project.run('sync');
  const outside = project.repo.beside('outside');
  await mkdir(outside);
  await writeFile(join(outside, 'home.html'), 'a file of somebody else');
  return { ...project, outside };
}
const inTree = (project: Project, path: string) => join(project.repo.path, path);
const directions = ['export', 'import', 'sync'] as const;

describe('a symbolic link', () => {
  it('in the place of a file is named; its target is not read, written or deleted, its row stays', async (t) => {
    for (const target of ['outside', 'inside', 'nowhere'] as const) {
      const project = await pages(t);
      await rm(inTree(project, at('home')));
      const to = target === 'outside' ? join(project.outside, 'home.html') : target === 'inside' ? 'about.html' : 'nothing.html';
      await symlink(to, inTree(project, at('home')));
      await setBody(project.db, 'home', 'edited in the panel');
      for (const direction of directions) {
        const report = await project.run(direction, { prefer: 'row', allowMassChange: true });
        assert.deepEqual([skips(report), exitOf(report)], [{ [at('home')]: 'SYMLINK' }, 1], `${target} ${direction}`);
        assert.equal(report.rows.deleted, 0);
      }
      assert.equal((await bodies(project.db)).home, 'edited in the panel');
      assert.ok((await lstat(inTree(project, at('home')))).isSymbolicLink());
      assert.equal(await readFile(join(project.outside, 'home.html'), 'utf8'), 'a file of somebody else');
      const settled = await project.resolve('row', at('home')).catch((error: unknown) => error);
      assert.ok(settled, 'settling it by name writes through no link either');
      assert.equal(await readFile(join(project.outside, 'home.html'), 'utf8'), 'a file of somebody else');
      await rm(inTree(project, at('home')));
      await project.resolve('row', at('home'));
      assert.equal(await project.read(at('home')), 'edited in the panel');
      await assertQuiet(project);
    }
  });

  it('in the place of a folder does not make a row that is deleted meanwhile come back', async (t) => {
    const project = await pages(t);
    const folder = inTree(project, 'db/pages/en');
    await rename(folder, project.repo.beside('moved'));
    await symlink(project.outside, folder);
    await project.db.sql("DELETE FROM pages WHERE slug = 'news'");
    for (const direction of directions) assert.equal((await project.run(direction)).rows.inserted, 0, direction);
    await rm(folder);
    await rename(project.repo.beside('moved'), folder);
    const report = await project.run('sync');
    assert.deepEqual([report.files.deleted, report.rows.inserted], [1, 0], 'the file of the deleted row goes, no row comes');
    assert.deepEqual(Object.keys(await bodies(project.db)), ['home', 'about']);
    await assertQuiet(project);
  });

  it('in the place of a folder is named; nothing is written through it, no row is deleted', async (t) => {
    const project = await pages(t);
    await rename(inTree(project, 'db/pages/en'), project.repo.beside('moved'));
    await symlink(project.outside, inTree(project, 'db/pages/en'));
    await setBody(project.db, 'home', 'edited in the panel');
    await addPages(project.db, { fresh: 'fresh' });
    const rows = await bodies(project.db);
    for (const direction of directions) {
      const report = await project.run(direction, { prefer: 'row', allowMassChange: true });
      assert.equal(exitOf(report), 1);
      assert.deepEqual(new Set(Object.values(skips(report))), new Set(['SYMLINK']));
      assert.equal(report.rows.deleted + report.files.written, 0, direction);
    }
    assert.deepEqual(await readdir(project.outside), ['home.html']);
    assert.deepEqual(await bodies(project.db), rows);
    assert.deepEqual((await readdir(project.repo.beside('moved'))).toSorted(), ['about.html', 'home.html', 'news.html']);
  });

  it('in the place of the root stops the command', async (t) => {
    const project = await pages(t);
    await rename(inTree(project, 'db'), project.repo.beside('moved'));
    await symlink(project.outside, inTree(project, 'db'));
    for (const direction of directions) {
      const error = await refusalOf(project.run(direction, { allowMassChange: true }));
      assert.deepEqual([error.code, error.exitCode], ['IO', 5]);
      assert.match(error.message, /symbolic link/);
    }
    assert.deepEqual(await readdir(project.outside), ['home.html']);
    assert.deepEqual(await bodies(project.db), { home: 'home', about: 'about', news: 'news' });
  });

  it('in a path that used to be another root is not followed', async (t) => {
    const project = await pages(t);
    const config = JSON.parse(await project.read('sync-run.config.json')) as { root: string };
    await rename(inTree(project, 'db'), project.repo.beside('moved'));
    await symlink(project.repo.beside('moved'), inTree(project, 'db'));
    await project.configure({ ...config, root: 'web' });
    const report = await project.run('sync', { allowMassChange: true }).catch((error: { code: string }) => error);
    if (!('code' in report)) assert.equal(report.rows.deleted, 0);
    assert.deepEqual((await readdir(project.repo.beside('moved/pages/en'))).toSorted(), ['about.html', 'home.html', 'news.html']);
    assert.deepEqual(await bodies(project.db), { home: 'home', about: 'about', news: 'news' });
  });
});

describe('something else than a file', () => {
  it('in the place of an item is named: a folder, and a file where a folder has to be', async (t) => {
    const project = await pages(t);
    await rm(inTree(project, at('home')));
    await mkdir(inTree(project, at('home')));
    await addPages(project.db, { hallo: 'hallo' }, { lang: 'de' });
    await writeFile(inTree(project, 'db/pages/de'), 'a file');
    await setBody(project.db, 'home', 'edited in the panel');
    for (const direction of ['export', 'sync'] as const) {
      const report = await project.run(direction, { allowMassChange: true });
      assert.equal(exitOf(report), 1);
      assert.ok(skips(report)[at('hallo', 'de')], JSON.stringify(report.skipped));
      assert.equal(report.rows.deleted, 0, JSON.stringify(report.changes));
    }
    assert.equal((await bodies(project.db)).home, 'edited in the panel');
    assert.equal(await readFile(inTree(project, 'db/pages/de'), 'utf8'), 'a file');
  });
});
