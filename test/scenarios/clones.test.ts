import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { openRepository } from '../../src/git/repository.ts';
import { useMariadb } from '../helpers/mariadb.ts';
import {
  createDatabase,
  createPages,
  createProject,
  type Engine,
  exitOf,
  joinProject,
  nothing,
  type Project,
  projectOf,
} from '../helpers/project.ts';
import { createSite } from '../helpers/site.ts';
import { addPages, assertQuiet, at, bodies, conflicts, refusalOf, rowOf, setBody } from '../helpers/scenario.ts';

useMariadb();

async function two(t: TestContext, engine: Engine = 'sqlite'): Promise<[Project, Project]> {
  const one = await createProject(t, { engine });
  await addPages(one.db, { home: 'home', about: 'about', news: 'news' });
  await one.run('sync');
  const other = await joinProject(t, one);
  await other.run('sync');
  return [one, other];
}

describe('two clones on one database', () => {
  it('that add the same key with the same text agree, with another text ask, and keep one row', async (t) => {
    for (const engine of ['sqlite', 'innodb', 'myisam'] as const) {
      const [one, other] = await two(t, engine);
      await one.write(at('same'), 'the same');
      await other.write(at('same'), 'the same');
      await one.write(at('new'), 'from one');
      await other.write(at('new'), 'from the other');
      assert.equal((await one.run('sync')).rows.inserted, 2);
      const report = await other.run('sync');
      assert.deepEqual(conflicts(report), [at('new')]);
      assert.deepEqual([report.rows.inserted, report.adopted], [0, 1]);
      assert.equal((await rowOf(one.db, 'new'))?.body, 'from one');
      assert.equal(await other.read(at('new')), 'from the other');
      await other.resolve('file', at('new'));
      await one.run('sync');
      assert.equal(await one.read(at('new')), 'from the other');
      await assertQuiet(one);
      await assertQuiet(other);
    }
  });

  it('that edit the same row: the later one is told, and neither text is lost', async (t) => {
    const [one, other] = await two(t);
    await one.write(at('home'), 'one edit');
    await other.write(at('home'), 'other edit');
    await other.write(at('about'), 'about, by other');
    await one.run('sync');
    const report = await other.run('sync');
    assert.deepEqual([conflicts(report), report.rows.written], [[at('home')], 1]);
    await one.run('sync');
    assert.equal(await one.read(at('about')), 'about, by other');
    const settled = await other.resolve('row', at('home'));
    assert.equal(await other.show(settled.txid ?? '', at('home'), { before: true, side: 'file' }), 'other edit');
    await assertQuiet(one);
    await assertQuiet(other);
  });

  it('of which one deletes what the other edits: a conflict, not a loss, in either order', async (t) => {
    const [one, other] = await two(t);
    await one.repo.remove(at('home'));
    await other.write(at('home'), 'still needed');
    await one.run('sync');
    assert.equal(await rowOf(one.db, 'home'), undefined);
    assert.deepEqual(conflicts(await other.run('sync')), [at('home')]);
    assert.equal(await other.read(at('home')), 'still needed');
    await other.write(at('about'), 'still needed too');
    await other.run('sync');
    await one.repo.remove(at('about'));
    assert.deepEqual(conflicts(await one.run('sync')), [at('about')]);
    assert.equal((await rowOf(one.db, 'about'))?.body, 'still needed too');
  });

  it('converge over alternating syncs, with renames and deletions on both sides', async (t) => {
    const [one, other] = await two(t);
    await one.repo.move(at('home'), at('start'));
    await one.run('sync');
    await other.write(at('home'), 'edited under the old name');
    await other.run('sync');
    assert.equal(await other.read(at('start')), 'edited under the old name');
    await one.run('sync');
    assert.equal(await one.read(at('start')), 'edited under the old name');
    await other.repo.remove(at('news'));
    await addPages(one.db, { late: 'late' });
    await other.run('sync');
    await one.run('sync');
    assert.deepEqual(await one.files(), await other.files());
    assert.deepEqual(await one.files(), { [at('about')]: 'about', [at('late')]: 'late', [at('start')]: 'edited under the old name' });
    await assertQuiet(one);
    await assertQuiet(other);
  });
});

describe('a database that is not what it was', () => {
  const stops = async (project: Project, code = 'WRONG_TARGET') => {
    const before = { files: await project.files(), rows: await project.db.sql('SELECT * FROM pages') };
    for (const direction of ['export', 'import', 'sync'] as const) {
      for (const dryRun of [false, true]) {
        const error = await refusalOf(project.run(direction, { dryRun, prefer: 'file', allowMassChange: true }));
        assert.deepEqual([error.code, error.exitCode], [code, 4]);
        assert.match(error.hint ?? '', /init --new-target/);
      }
    }
    assert.equal((await refusalOf(project.status())).code, code);
    assert.equal((await refusalOf(project.undo())).code, code);
    assert.equal((await refusalOf(project.resolve('file', 'db'))).code, code);
    assert.deepEqual({ files: await project.files(), rows: await project.db.sql('SELECT * FROM pages') }, before);
  };

  it('because an older copy was restored: every command stops, and a new target starts without a base', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { home: 'home', about: 'about', news: 'news' });
    await project.run('sync');
    await project.write(at('home'), 'first edit');
    await project.run('sync');
    await project.db.sql(`VACUUM INTO '${project.repo.beside('backup.db')}'`);
    await project.write(at('home'), 'second edit');
    await project.repo.remove(at('about'));
    await project.write(at('fresh'), 'fresh');
    await project.run('sync');
    for (const end of ['', '-wal', '-shm']) await rm(project.repo.beside(`forum.db${end}`), { force: true });
    await cp(project.repo.beside('backup.db'), project.repo.beside('forum.db'));
    await stops(project);

    await project.with(async ({ state }) => {
      await state.forgetBase();
      await state.setMeta({ targetId: null, targetServer: null, rowTxid: null, head: null });
    });
    const report = await project.run('sync');
    assert.deepEqual(conflicts(report), [at('home')], 'what differs is asked about');
    assert.deepEqual([report.files.deleted, report.rows.deleted, report.rows.written], [0, 0, 0]);
    assert.equal(await project.read(at('about')), 'about', 'what one side lacks comes from the other');
    assert.equal((await rowOf(project.db, 'fresh'))?.body, 'fresh');
    assert.deepEqual([await project.read(at('home')), (await bodies(project.db)).home], ['second edit', 'first edit']);
  });

  it('because it is a new one: no row comes back that was deleted in the old one', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { home: 'home' }, { note: 'of the old database' });
    await project.run('sync');
    await project.repo.remove(at('home'));
    assert.equal((await project.run('sync')).rows.deleted, 1);
    await project.with(async ({ state }) => {
      await state.forgetBase();
      await state.setMeta({ targetId: null, targetServer: null, rowTxid: null, head: null });
    });
    await project.write(at('home'), 'home');
    assert.equal((await project.run('sync')).rows.inserted, 1);
    assert.notEqual((await rowOf(project.db, 'home'))?.note, 'of the old database');
  });

  it('because the URL names another one', async (t) => {
    for (const engine of ['sqlite', 'innodb'] as const) {
      const project = await createProject(t, { engine });
      await addPages(project.db, { home: 'home', about: 'about' });
      await project.write(at('home'), 'home');
      await project.run('sync');
      await project.write(at('home'), 'edit');
      await project.run('sync');
      const db = await createDatabase(engine, project.repo.beside('other.db'));
      await createPages(db);
      await addPages(db, { home: 'another home' });
      await stops(projectOf(project.repo, db));
      await assertQuiet(project);
    }
  });

  it('because the URL names another one, though nothing was ever written to the right one', async (t) => {
    for (const engine of ['sqlite', 'innodb'] as const) {
      const project = await createProject(t, { engine });
      await addPages(project.db, { home: 'home', about: 'about' });
      await project.run('export');
      const db = await createDatabase(engine, project.repo.beside('other.db'));
      await createPages(db);
      await addPages(db, { home: 'another home' });
      await stops(projectOf(project.repo, db));
      await assertQuiet(project);
    }
  });

  it('because the working tree was copied with its state: once one of the two has written, the other stops', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { home: 'home', about: 'about', news: 'news' });
    await project.run('sync');
    await project.write(at('home'), 'edit');
    await project.run('sync');
    const copy = await joinProject(t, project);
    await rm(copy.repo.path, { recursive: true });
    await cp(project.repo.path, copy.repo.path, { recursive: true });
    await copy.write(at('about'), 'from the copy');
    await copy.run('sync');
    await project.write(at('about'), 'from the first');
    await stops(project);
    assert.equal((await rowOf(project.db, 'about'))?.body, 'from the copy');
  });
});

describe('the state folder', () => {
  it('deleted: what is equal is adopted, what differs is asked about, nothing is deleted or overwritten', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { home: 'home', about: 'about', news: 'news', gone: 'gone' });
    await project.run('sync');
    await project.repo.commit('All');
    await project.write(at('home'), 'file edit');
    await setBody(project.db, 'about', 'row edit');
    await project.repo.remove(at('news'));
    await project.db.sql("DELETE FROM pages WHERE slug = 'gone'");
    await project.write(at('added'), 'added');
    const { statePath } = await openRepository(project.repo.path, project.env);
    await rm(statePath, { recursive: true });
    assert.equal((await refusalOf(project.run('sync'))).code, 'UNTRUSTED');
    const config = JSON.parse(await project.read('sync-run.config.json')) as object;
    await project.configure(config);
    const report = await project.run('sync');
    const wrote = { files: { written: 1, deleted: 0, renamed: 0 }, rows: { ...nothing.rows, inserted: 2 } };
    assert.deepEqual({ files: report.files, rows: report.rows }, wrote, 'without a base only what one side lacks is written');
    assert.deepEqual(conflicts(report), [at('about'), at('home')], 'what differs is asked about');
    assert.equal(exitOf(report), 1);
    assert.deepEqual(await bodies(project.db), { home: 'home', about: 'row edit', news: 'news', gone: 'gone', added: 'added' });
    assert.deepEqual(await project.files(), {
      [at('home')]: 'file edit',
      [at('about')]: 'about',
      [at('news')]: 'news',
      [at('gone')]: 'gone',
      [at('added')]: 'added',
    });
  });
});

it('a copy of a tree whose runner is at work is a tree of its own, and once it has written the runner is told', async (t) => {
  const site = await createSite(t, { pages: { home: 'home', about: 'about' }, prepare: (made) => made.write(at('home'), 'edit') });
  const runner = await site.runner();
  await runner.seen.until((events) => events.some(({ type }) => type === 'batch-applied'));
  await runner.idle();
  const top = site.repo.beside('copy');
  await cp(site.repo.path, top, { recursive: true });
  const before = await site.files();

  await site.repo.write(join(top, at('home')), 'edited in the copy');
  const { code, stderr } = await site.cli(['sync'], { cwd: top });
  assert.equal(code, 0, stderr);
  assert.equal((await site.rows()).home, 'edited in the copy', 'a command in the copy is about the files of the copy');
  await site.repo.write(join(top, at('about')), 'committed in the copy');
  await site.repo.gitWith({ cwd: top }, 'commit', '--quiet', '--all', '--message', 'Edit');
  assert.equal((await site.rows()).about, 'committed in the copy', 'a hook in the copy is about the files of the copy');
  assert.deepEqual(await site.files(), before, 'the files of the tree that was copied are as they were');

  runner.seen.clear();
  await site.write(at('home'), 'edited in the first tree');
  await runner.seen.until((events) => events.some(({ type }) => type === 'batch-failed' || type === 'batch-applied'));
  const failed = runner.seen.all.find(({ type }) => type === 'batch-failed');
  assert.ok(failed?.type === 'batch-failed' && failed.code === 'WRONG_TARGET', JSON.stringify(runner.seen.all));
  assert.deepEqual(await site.rows(), { home: 'edited in the copy', about: 'committed in the copy' });
});

describe('a run that finds nothing at all', () => {
  it('does not count as synced with that database', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    assert.equal((await project.run('sync')).txid, null);
    const other = await createDatabase('sqlite', project.repo.beside('other.db'));
    await createPages(other);
    await addPages(other, { home: 'home' });
    const right = projectOf(project.repo, other);
    assert.equal((await right.run('sync')).files.written, 1);
    assert.equal((await refusalOf(project.run('sync'))).code, 'WRONG_TARGET');
  });
});
