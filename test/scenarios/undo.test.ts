import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { createProject, done, type Engine, exitOf, nothing, type Project } from '../helpers/project.ts';
import { addPages, assertQuiet, at, bodies, conflicts, refusalOf, rowOf, setBody, skips } from '../helpers/scenario.ts';

useMariadb();

async function pages(t: TestContext, engine: Engine = 'sqlite'): Promise<Project> {
  const project = await createProject(t, { engine });
  await addPages(project.db, { home: 'home', about: 'about', news: 'news', late: 'late' });
  await project.run('sync');
  await project.repo.commit('Export');
  return project;
}
const both = async (project: Project) => ({ files: await project.files(), rows: await project.db.sql('SELECT * FROM pages ORDER BY id') });

describe('an undone batch', () => {
  it('that added, edited, renamed and deleted on both sides is back as it was, twice over', async (t) => {
    for (const engine of ['sqlite', 'innodb', 'myisam'] as const) {
      const project = await pages(t, engine);
      await project.write(at('home'), 'home edited');
      await project.repo.move(at('about'), at('imprint'));
      await project.repo.remove(at('news'));
      await project.write(at('new'), 'new');
      await setBody(project.db, 'late', 'late edited');
      await addPages(project.db, { panel: 'from the panel' });
      const before = await both(project);
      const report = await project.run('sync');
      assert.equal(exitOf(report), 0);
      const after = await both(project);
      const undone = await project.undo();
      assert.deepEqual(undone.conflicts, [], engine);
      assert.deepEqual(await both(project), before, engine);
      const redone = await project.undo(undone.txid ?? '');
      assert.deepEqual(redone.conflicts, [], engine);
      assert.deepEqual((await both(project)).files, after.files);
      assert.deepEqual(
        (await both(project)).rows.map((row) => ({ ...row, id: row.slug === 'new' ? 0 : row.id })),
        after.rows.map((row) => ({ ...row, id: row.slug === 'new' ? 0 : row.id })),
      );
      await assertQuiet(project);
      await project.undo(redone.txid ?? '');
      assert.deepEqual(await both(project), before);
      // Then a typed sync does the same again.
      const again = await project.run('sync');
      assert.deepEqual(done(again), done(report), engine);
      assert.deepEqual((await both(project)).files, after.files);
      await assertQuiet(project);
    }
  });

  it('counts again once its undo was undone: the next undo takes it back, and no older one', async (t) => {
    const project = await pages(t);
    await setBody(project.db, 'about', 'older');
    await project.run('sync');
    await project.write(at('home'), 'newer');
    await project.run('sync');
    const undone = await project.undo();
    await project.undo(undone.txid ?? '');
    assert.equal((await bodies(project.db)).home, 'newer');
    await project.undo();
    const { home } = await bodies(project.db);
    assert.deepEqual([home, await project.read(at('about'))], ['home', 'older']);
  });

  it('that put one file where another was is taken back as a whole, or not at all', async (t) => {
    for (const touched of [false, true]) {
      const project = await pages(t);
      const before = await both(project);
      await project.db.sql("DELETE FROM pages WHERE slug = 'home'");
      await project.db.sql("UPDATE pages SET slug = 'home' WHERE slug = 'news'");
      await project.run('sync');
      assert.equal(await project.read(at('home')), 'news');
      if (touched) await project.write(at('home'), 'edited since');
      const after = await both(project);
      const panel = await project.undo();
      assert.deepEqual(conflicts(panel), touched ? [at('home'), at('home')] : []);
      assert.deepEqual((await both(project)).files, touched ? after.files : before.files);
      assert.deepEqual(await bodies(project.db), { home: 'news', about: 'about', late: 'late' });
      if (touched) continue;
      const again = await project.run('sync');
      assert.deepEqual([conflicts(again), (await both(project)).files], [[], after.files]);
      await assertQuiet(project);
    }
  });

  it('is held back from hooks and watcher until it is edited again or named', async (t) => {
    const project = await pages(t);
    await project.write(at('home'), 'home edited');
    await project.repo.move(at('about'), at('imprint'));
    await project.repo.remove(at('news'));
    await project.repo.git('rm', '--cached', '--quiet', at('news'));
    await project.write(at('new'), 'new');
    await project.run('sync');
    await project.undo();
    const before = await both(project);
    for (const source of ['hook', 'watcher'] as const) {
      const report = await project.run('sync', { source });
      assert.deepEqual(done(report), { ...nothing, adopted: 0, conflicts: [] }, JSON.stringify(report.changes));
      assert.deepEqual(new Set(Object.values(skips(report))), new Set(['HELD']));
      assert.equal(exitOf(report), 0);
    }
    assert.deepEqual(await both(project), before);
    assert.equal((await project.status()).held.length, 4);
    await project.write(at('home'), 'edited once more');
    const edited = await project.run('import', { source: 'watcher' });
    assert.equal(edited.rows.written, 1);
    assert.equal((await bodies(project.db)).home, 'edited once more');
    const named = await project.run('import', { paths: [at('new')] });
    assert.equal(named.rows.inserted, 1);
  });

  it('is no longer held back once a command has carried it over, also when the same two texts meet again', async (t) => {
    const project = await pages(t);
    await project.write(at('home'), 'home edited');
    await project.run('sync');
    await project.undo();
    assert.equal((await project.run('sync')).rows.written, 1);
    await project.write(at('home'), 'home');
    assert.equal((await project.run('import', { source: 'hook' })).rows.written, 1);
    await project.write(at('home'), 'home edited');
    const report = await project.run('import', { source: 'hook' });
    assert.deepEqual([report.rows.written, skips(report)], [1, {}]);
  });

  it('leaves an item alone whose file or row has moved on, as a conflict, and takes back the rest', async (t) => {
    const project = await pages(t);
    for (const slug of ['home', 'about', 'news']) await project.write(at(slug), `${slug} edited`);
    await setBody(project.db, 'late', 'late edited');
    await project.run('sync');
    await project.write(at('home'), 'moved on');
    await setBody(project.db, 'about', 'moved on too');
    await project.write(at('late'), 'file moved on');
    const undone = await project.undo();
    assert.deepEqual(conflicts(undone), [at('about'), at('home'), at('late')]);
    assert.equal(exitOf(undone), 1);
    assert.deepEqual(await bodies(project.db), { home: 'home edited', about: 'moved on too', news: 'news', late: 'late edited' });
    assert.deepEqual([await project.read(at('home')), await project.read(at('late'))], ['moved on', 'file moved on']);
  });

  it('of an older batch is a conflict where a later batch wrote the same item', async (t) => {
    const project = await pages(t);
    await project.write(at('home'), 'first');
    await project.write(at('about'), 'first');
    const first = await project.run('sync');
    await project.write(at('home'), 'second');
    await project.run('sync');
    const undone = await project.undo(first.txid ?? '');
    assert.deepEqual(conflicts(undone), [at('home')]);
    assert.deepEqual([(await bodies(project.db)).home, (await bodies(project.db)).about], ['second', 'about']);
  });

  it('without a txid takes back one batch after the other, and ends in one line', async (t) => {
    const project = await pages(t);
    for (const text of ['one', 'two']) {
      await project.write(at('home'), text);
      await project.run('sync');
    }
    await project.undo();
    assert.equal((await bodies(project.db)).home, 'one');
    assert.deepEqual(conflicts(await project.undo()), [at('home')], 'the file is not what the first batch left');
    await project.write(at('home'), 'one');
    assert.deepEqual(conflicts(await project.undo()), []);
    assert.equal((await bodies(project.db)).home, 'home');
    await project.write(at('home'), 'home');
    assert.deepEqual(conflicts(await project.undo()), []);
    assert.deepEqual(await project.files(), {}, 'before the first export');
    assert.equal((await refusalOf(project.undo())).code, 'NOT_FOUND');
    assert.equal(Object.keys(await bodies(project.db)).length, 4);
  });

  it('of an insertion leaves the file as one that is new', async (t) => {
    const project = await pages(t);
    await project.write(at('new'), 'new');
    await project.run('sync');
    await project.undo();
    assert.equal(await rowOf(project.db, 'new'), undefined);
    const report = await project.run('sync');
    assert.deepEqual([report.rows.inserted, report.files.deleted], [1, 0]);
    assert.equal(await project.read(at('new')), 'new');
  });

  it('of an exported row leaves the row as one that is new', async (t) => {
    const project = await pages(t);
    await addPages(project.db, { panel: 'panel' });
    await project.run('sync');
    await project.undo();
    assert.equal(Object.hasOwn(await project.files(), at('panel')), false);
    const report = await project.run('sync');
    assert.deepEqual([report.files.written, report.rows.deleted], [1, 0]);
    assert.equal((await rowOf(project.db, 'panel'))?.body, 'panel');
  });
});

describe('show', () => {
  it('prints every text a batch replaced, of both sides', async (t) => {
    const project = await pages(t);
    await project.write(at('home'), 'home edited');
    await setBody(project.db, 'about', 'about edited');
    await project.repo.remove(at('news'));
    await project.write(at('new'), 'new');
    await project.repo.move(at('late'), at('later'));
    const { txid } = await project.run('sync');
    const show = (path: string, options?: Parameters<Project['show']>[2]) => project.show(txid ?? '', path, options);
    assert.equal(await show(at('home')), 'home edited');
    assert.equal(await show(at('home'), { before: true }), 'home');
    assert.equal(await show(at('about')), 'about edited');
    assert.equal(await show(at('about'), { before: true }), 'about');
    assert.equal(await show(at('about'), { side: 'row' }), 'about edited');
    assert.equal(await show(at('news'), { before: true }), 'news');
    assert.equal((await refusalOf(show(at('news')))).code, 'NOT_FOUND');
    assert.equal(await show(at('new')), 'new');
    assert.equal((await refusalOf(show(at('new'), { before: true }))).code, 'NOT_FOUND');
    assert.equal(await show(at('later')), 'late');
    const settled = await (async () => {
      await project.write(at('home'), 'mine');
      await setBody(project.db, 'home', 'theirs');
      await project.run('sync');
      return project.run('sync', { prefer: 'file' });
    })();
    assert.equal(await project.show(settled.txid ?? '', at('home'), { before: true, side: 'row' }), 'theirs');
    assert.equal(await project.show(settled.txid ?? '', at('home'), { side: 'file' }), 'mine');
  });
});
