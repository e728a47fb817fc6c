import assert from 'node:assert/strict';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createProject, done, exitOf, nothing, pagesConfig, type Project } from '../helpers/project.ts';
import { addPages, assertQuiet, at, bodies, conflicts, setBody, skips } from '../helpers/scenario.ts';

const long = (word: string): string => Array.from({ length: 20 }, (_, n) => `${word} line ${n}\n`).join('');
const configWith = (more: object) => ({ ...pagesConfig, mappings: [{ ...pagesConfig.mappings[0], ...more }] });

async function pages(t: TestContext): Promise<Project> {
  const project = await createProject(t, { engine: 'sqlite' });
  await addPages(project.db, { home: long('home'), about: long('about') });
  await project.run('sync');
  await project.repo.commit('Export');
  await project.run('sync');
  return project;
}

/** A file under another name, with an edit that git still takes for the same file. */
async function moveAndEdit(project: Project, text: string): Promise<void> {
  await project.repo.git('mv', at('home'), at('start'));
  await project.write(at('start'), text);
  await project.repo.commit('Move and edit');
}

describe('a file that was renamed and edited, and has to wait', () => {
  it('because it is refused, keeps its row, however often it is looked at', async (t) => {
    const project = await pages(t);
    const markers = `${long('home')}<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n`;
    await moveAndEdit(project, markers);
    for (const run of ['sync', 'sync', 'import'] as const) {
      const report = await project.run(run);
      assert.deepEqual(skips(report), { [at('start')]: 'UNMERGED' }, `it is still refused at ${run}`);
      assert.deepEqual(Object.keys(await bodies(project.db)), ['home', 'about'], `the row stays as it is at ${run}`);
    }
    await project.write(at('start'), `${long('home')}mended\n`);
    const report = await project.run('sync');
    assert.deepEqual([report.rows.renamed, report.rows.inserted, report.rows.deleted], [1, 0, 0], 'once it is mended it is a rename');
    assert.deepEqual(await bodies(project.db), { start: `${long('home')}mended\n`, about: long('about') });
    await assertQuiet(project);
  });

  it('because the row was edited too, stays one conflict, also after further edits, and is settled as one', async (t) => {
    const project = await pages(t);
    await setBody(project.db, 'home', 'of the row\n');
    await moveAndEdit(project, `${long('home')}of the file\n`);
    for (const text of [null, 'another text altogether\n', 'of the file\n']) {
      if (text !== null) await project.write(at('start'), text);
      for (const source of ['cli', 'watcher', 'hook'] as const) {
        const report = await project.run('sync', { source });
        assert.deepEqual(conflicts(report), [at('start')], `it stays one conflict: ${text} ${source}`);
        assert.deepEqual(await bodies(project.db), { home: 'of the row\n', about: long('about') });
      }
    }
    await project.resolve('file', at('start'));
    assert.deepEqual(await bodies(project.db), { start: 'of the file\n', about: long('about') });
    await assertQuiet(project);
  });

  it('and is put back meanwhile, is just that', async (t) => {
    const project = await pages(t);
    await setBody(project.db, 'home', 'of the row\n');
    await moveAndEdit(project, `${long('home')}of the file\n`);
    await project.run('sync');
    await project.repo.git('mv', at('start'), at('home'));
    await project.write(at('home'), long('home'));
    const report = await project.run('sync');
    assert.deepEqual(conflicts(report), []);
    assert.equal(await project.read(at('home')), 'of the row\n');
    await assertQuiet(project);
  });
});

describe('a file moved to where an exclude pattern matches', () => {
  const excluding = configWith({ exclude: ['pages/en/draft-*'] });

  for (const how of ['by hand', 'by git'] as const) {
    it(`${how}: takes its row out of scope with it`, async (t) => {
      const project = await pages(t);
      await project.configure(excluding);
      await project.run('sync');
      if (how === 'by git') {
        await project.repo.git('mv', at('home'), at('draft-home'));
        await project.write(at('draft-home'), `${long('home')}a draft\n`);
        await project.repo.commit('Draft');
      } else await rename(join(project.repo.path, at('home')), join(project.repo.path, at('draft-home')));
      for (const [run, source] of [
        ['sync', 'hook'],
        ['sync', 'cli'],
        ['import', 'cli'],
        ['export', 'cli'],
      ] as const) {
        const report = await project.run(run, { source });
        assert.deepEqual(done(report), { ...nothing, adopted: 0, conflicts: [] }, run);
        assert.deepEqual(skips(report), { [at('home')]: 'EXCLUDED', [at('draft-home')]: 'EXCLUDED' });
        assert.equal(exitOf(report), 0);
        assert.deepEqual(Object.keys(await bodies(project.db)), ['home', 'about']);
      }
      await project.write(at('draft-home'), 'edited there\n');
      await project.run('sync');
      assert.deepEqual(await bodies(project.db), { home: long('home'), about: long('about') });
      await mkdir(join(project.repo.path, 'db/pages/en'), { recursive: true });
      await rename(join(project.repo.path, at('draft-home')), join(project.repo.path, at('home')));
      await project.run('sync');
      assert.deepEqual(await bodies(project.db), { home: 'edited there\n', about: long('about') });
      await assertQuiet(project);
    });
  }

  it('and deleted there, is deleted', async (t) => {
    const project = await pages(t);
    await project.configure(excluding);
    await project.run('sync');
    await rename(join(project.repo.path, at('home')), join(project.repo.path, at('draft-home')));
    await project.run('sync');
    await project.repo.remove(at('draft-home'));
    await project.run('sync');
    assert.deepEqual(await bodies(project.db), { about: long('about') });
  });
});

describe('a changed `where`', () => {
  it('that selects other rows of the same keys takes none of them for those it selected before', async (t) => {
    const project = await pages(t);
    const posts = { home: 'a post\n', about: 'another post\n' };
    for (const [slug, body] of Object.entries(posts))
      await project.db.sql("INSERT INTO pages (type, lang, slug, body) VALUES ('post', 'en', ?, ?)", [slug, body]);
    await project.configure(configWith({ where: { type: 'post' } }));
    const report = await project.run('sync', { allowMassChange: true });
    assert.deepEqual(conflicts(report), [at('about'), at('home')]);
    assert.equal(await project.read(at('home')), long('home'), 'the file is as it was');
    const rows = await project.db.sql("SELECT slug, body FROM pages WHERE type = 'post'");
    assert.deepEqual(Object.fromEntries(rows.map(({ slug, body }) => [slug, body])), posts);
  });
});

describe('a mapping that goes one way', () => {
  it('lets a text through whose name it may not carry over', async (t) => {
    const project = await pages(t);
    await project.configure(configWith({ direction: 'files-to-rows' }));
    await project.run('sync');
    await project.db.sql("UPDATE pages SET slug = 'start' WHERE slug = 'home'");
    await project.write(at('home'), 'edited\n');
    await project.run('sync');
    assert.deepEqual(await bodies(project.db), { start: 'edited\n', about: long('about') });
    assert.deepEqual(Object.keys(await project.files()), [at('about'), at('home')]);
    assert.deepEqual(skips(await project.run('sync')), { [at('home')]: 'DIRECTION' });

    const other = await pages(t);
    await other.configure(configWith({ direction: 'rows-to-files' }));
    await other.run('sync');
    await other.repo.move(at('home'), at('start'));
    await setBody(other.db, 'home', 'edited\n');
    await other.run('sync');
    assert.equal(await other.read(at('start')), 'edited\n');
    assert.deepEqual(Object.keys(await bodies(other.db)), ['home', 'about']);
  });
});
