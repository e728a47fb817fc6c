import assert from 'node:assert/strict';
import { stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { createProject, done, engines, exitOf, nothing, type Project } from '../helpers/project.ts';
import { addPages, assertQuiet, at, bodies, conflicts, rowOf, setBody } from '../helpers/scenario.ts';

useMariadb();

/** Two pages on `main`, and a branch `without` that lacks `about`. */
async function withBranch(t: Parameters<typeof createProject>[0], engine: (typeof engines)[number]): Promise<Project> {
  const project = await createProject(t, { engine });
  await addPages(project.db, { home: 'home', about: 'about', news: 'news' });
  await project.run('sync');
  await project.repo.commit('All pages');
  await project.repo.git('switch', '--quiet', '--create', 'without');
  await project.repo.remove(at('about'));
  await project.repo.commit('Without about');
  await project.repo.git('switch', '--quiet', 'main');
  await project.run('sync');
  return project;
}

for (const engine of engines) {
  describe(`a branch there and back on ${engine}`, () => {
    it('keeps every column and the id of a row it took away', async (t) => {
      const project = await withBranch(t, engine);
      const before = await rowOf(project.db, 'about');
      await project.repo.git('switch', '--quiet', 'without');
      assert.deepEqual(done(await project.run('sync')), { ...nothing, rows: { ...nothing.rows, deleted: 1 }, adopted: 0, conflicts: [] });
      assert.equal(await rowOf(project.db, 'about'), undefined);
      await addPages(project.db, { later: 'later' });
      await project.repo.git('switch', '--quiet', 'main');
      await project.run('sync');
      assert.deepEqual(await rowOf(project.db, 'about'), before, 'with its id, its note and its old stamp');
      await assertQuiet(project);
    });

    it('finds another id for it where a row has taken the old one meanwhile', async (t) => {
      for (const type of ['page', 'draft']) {
        const project = await withBranch(t, engine);
        const before = await rowOf(project.db, 'about');
        await project.repo.git('switch', '--quiet', 'without');
        await project.run('sync');
        await project.db.sql("INSERT INTO pages (id, type, lang, slug, body) VALUES (2, ?, 'en', 'squatter', 'mine now')", [type]);
        await project.repo.git('switch', '--quiet', 'main');
        const report = await project.run('sync');
        assert.equal(exitOf(report), 0, JSON.stringify(report.skipped));
        const after = await rowOf(project.db, 'about');
        assert.notEqual(after?.id, 2);
        assert.deepEqual({ ...after, id: 2 }, before, `beside a ${type}`);
        assert.equal((await rowOf(project.db, 'squatter'))?.body, 'mine now');
        await assertQuiet(project);
      }
    });

    it('brings the row back with the text of the branch that has it', async (t) => {
      const project = await withBranch(t, engine);
      const before = await rowOf(project.db, 'about');
      await project.repo.git('switch', '--quiet', 'without');
      await project.run('sync');
      await project.repo.git('switch', '--quiet', '--create', 'other', 'main');
      await project.write(at('about'), 'about, rewritten');
      await project.repo.commit('Rewrite');
      await project.run('sync');
      const row = await rowOf(project.db, 'about');
      assert.equal(row?.body, 'about, rewritten');
      assert.deepEqual([row?.id, row?.note], [before?.id, before?.note]);
      assert.notEqual(row?.updated_at, before?.updated_at, 'a new text is stamped');
    });
  });
}

describe('a branch switch', () => {
  it('by git itself lets hook and watcher delete the rows too, and bring them back', async (t) => {
    for (const source of ['hook', 'watcher'] as const) {
      const project = await withBranch(t, 'sqlite');
      const before = await rowOf(project.db, 'about');
      await project.repo.git('switch', '--quiet', 'without');
      assert.equal((await project.run('import', { source })).rows.deleted, 1);
      await project.repo.git('switch', '--quiet', 'main');
      assert.equal((await project.run('import', { source })).rows.inserted, 1);
      assert.deepEqual(await rowOf(project.db, 'about'), before);
    }
  });

  it('keeps the row of a page somebody edited in the database: deleted against edited is a conflict', async (t) => {
    const project = await withBranch(t, 'sqlite');
    await setBody(project.db, 'about', 'edited in the panel');
    await project.repo.git('switch', '--quiet', 'without');
    for (const direction of ['export', 'import', 'sync'] as const) {
      const report = await project.run(direction);
      assert.deepEqual(conflicts(report), [at('about')]);
      assert.equal(exitOf(report), 1);
    }
    assert.equal((await rowOf(project.db, 'about'))?.body, 'edited in the panel');
    await project.repo.git('switch', '--quiet', 'main');
    const back = await project.run('sync');
    assert.equal(back.files.written, 1, 'on the old branch only the row is ahead');
    assert.equal(await project.read(at('about')), 'edited in the panel');
  });

  it('is read without rewriting the index, also where files are newer than it', async (t) => {
    const project = await withBranch(t, 'sqlite');
    await project.repo.git('switch', '--quiet', 'without');
    const text = await project.read(at('home'));
    await utimes(join(project.repo.path, at('home')), 1, 1);
    const index = join(project.repo.path, '.git/index');
    const before = await stat(index, { bigint: true });
    await project.run('sync', { dryRun: true });
    await project.status();
    await project.run('sync');
    const after = await stat(index, { bigint: true });
    assert.deepEqual([after.ino, after.mtimeNs], [before.ino, before.mtimeNs]);
    assert.equal(await project.read(at('home')), text);
  });

  it('away from rows that were never committed leaves them to hooks as missing', async (t) => {
    const project = await withBranch(t, 'sqlite');
    await addPages(project.db, { fresh: 'fresh' });
    await project.run('sync');
    await project.repo.remove(at('fresh'));
    await project.repo.git('switch', '--quiet', 'without');
    const report = await project.run('import', { source: 'hook' });
    assert.equal(report.rows.deleted, 1, 'only the one that git removed');
    assert.equal((await rowOf(project.db, 'fresh'))?.body, 'fresh');
    assert.deepEqual((await project.status()).missing, [at('fresh')]);
  });
});

describe('a conflict left open', () => {
  /** `main` has "mine" in a file against "theirs" in the row; `calm` has the text both came from; `third` has a third text. */
  async function disputed(t: Parameters<typeof createProject>[0]): Promise<Project> {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { home: 'base', about: 'about' });
    await project.run('sync');
    await project.repo.commit('Base');
    await project.repo.git('branch', 'calm');
    await project.repo.git('switch', '--quiet', '--create', 'third');
    await project.write(at('home'), 'third');
    await project.repo.commit('Third');
    await project.repo.git('switch', '--quiet', 'main');
    await project.write(at('home'), 'mine');
    await project.repo.commit('Mine');
    await setBody(project.db, 'home', 'theirs');
    assert.deepEqual(conflicts(await project.run('sync')), [at('home')]);
    return project;
  }
  const go = async (project: Project, branch: string) => {
    await project.repo.git('stash', '--quiet', '--include-untracked', '--', 'db').catch(() => '');
    await project.repo.git('switch', '--quiet', branch);
  };

  it('is still open after a look at the branch that both sides came from', async (t) => {
    for (const [direction, source] of [
      ['sync', 'cli'],
      ['import', 'hook'],
      ['export', 'cli'],
    ] as const) {
      const project = await disputed(t);
      await go(project, 'calm');
      await project.run(direction, { source });
      await go(project, 'main');
      assert.equal(await project.read(at('home')), 'mine');
      for (const again of ['export', 'import', 'sync'] as const)
        assert.deepEqual(conflicts(await project.run(again)), [at('home')], `${direction}, then ${again}`);
      assert.equal((await bodies(project.db)).home, 'theirs', 'the row was not overwritten');
      assert.equal(await project.read(at('home')), 'mine');
    }
  });

  it('is one more conflict on a branch with a third text, and the first one when back', async (t) => {
    const project = await disputed(t);
    await go(project, 'third');
    assert.deepEqual(conflicts(await project.run('sync')), [at('home')]);
    await go(project, 'main');
    assert.deepEqual(conflicts(await project.run('sync')), [at('home')]);
    assert.deepEqual([await project.read(at('home')), (await bodies(project.db)).home], ['mine', 'theirs']);
  });

  it('settled for the row on the calm branch still asks on the branch where the file was edited', async (t) => {
    const project = await disputed(t);
    await go(project, 'calm');
    await project.run('sync');
    assert.equal(await project.read(at('home')), 'theirs');
    await project.repo.commit('Take theirs');
    await project.run('sync');
    await go(project, 'main');
    assert.deepEqual(conflicts(await project.run('sync')), [at('home')]);
    assert.equal((await bodies(project.db)).home, 'theirs');
  });

  /** Back on the branch of the conflict, after both sides agreed on the row's text elsewhere. */
  async function disputedAgain(
    t: Parameters<typeof createProject>[0],
    lines = { base: 'base', file: 'mine', row: 'theirs' },
  ): Promise<Project> {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { home: lines.base });
    await project.run('sync');
    await project.repo.commit('Base');
    await project.repo.git('branch', 'calm');
    await project.write(at('home'), lines.file);
    await project.repo.commit('Mine');
    await setBody(project.db, 'home', lines.row);
    assert.deepEqual(conflicts(await project.run('sync')), [at('home')]);
    await go(project, 'calm');
    await project.run('sync');
    await project.repo.commit('Take theirs');
    await go(project, 'main');
    assert.deepEqual(conflicts(await project.run('sync')), [at('home')]);
    return project;
  }

  it('is still one after the next edit of the file, on the branch where it is open', async (t) => {
    const project = await disputedAgain(t);
    await project.write(at('home'), 'mine, edited');
    for (const direction of ['import', 'export', 'sync'] as const)
      assert.deepEqual(conflicts(await project.run(direction)), [at('home')], `nobody has decided yet, and ${direction} does not`);
    assert.deepEqual([await project.read(at('home')), (await bodies(project.db)).home], ['mine, edited', 'theirs']);
  });

  it('is still one after the row got another name, and then the file another text', async (t) => {
    const project = await disputedAgain(t);
    await project.db.sql("UPDATE pages SET slug = 'start' WHERE slug = 'home'");
    assert.deepEqual(conflicts(await project.run('sync')), [at('home')]);
    await project.write(at('home'), 'mine, edited');
    assert.deepEqual(conflicts(await project.run('sync')), [at('home')]);
    assert.deepEqual([await project.read(at('home')), (await bodies(project.db)).start], ['mine, edited', 'theirs']);
  });

  it('is merged from the text that both sides came from', async (t) => {
    const project = await disputedAgain(t, { base: 'a\nb\nc\nd\ne\n', file: 'A\nb\nc\nd\ne\n', row: 'a\nb\nc\nd\nE\n' });
    await project.resolve('merge', at('home'));
    const both = 'A\nb\nc\nd\nE\n';
    assert.deepEqual([await project.read(at('home')), (await bodies(project.db)).home], [both, both]);
  });

  it('settled for the file reaches the row; the branch with the old text then brings its own, and each loser is in the history', async (t) => {
    const project = await disputed(t);
    const settled = await project.resolve('file', at('home'));
    assert.equal((await bodies(project.db)).home, 'mine');
    assert.equal(await project.show(settled.txid ?? '', at('home'), { before: true, side: 'row' }), 'theirs');
    await go(project, 'third');
    const switched = await project.run('sync');
    assert.equal(exitOf(switched), 0);
    assert.equal((await bodies(project.db)).home, 'third');
    await go(project, 'main');
    await project.run('sync');
    assert.equal((await bodies(project.db)).home, 'mine');
    await assertQuiet(project);
  });

  it('that was settled and undone is open again', async (t) => {
    const project = await disputed(t);
    await go(project, 'calm');
    await project.run('sync');
    await go(project, 'main');
    assert.deepEqual(conflicts(await project.run('sync')), [at('home')]);
    const settled = await project.resolve('file', at('home'));
    await project.undo(settled.txid ?? '');
    assert.equal((await bodies(project.db)).home, 'theirs');
    assert.deepEqual(conflicts(await project.run('sync')), [at('home')]);
    assert.equal((await bodies(project.db)).home, 'theirs');
  });
});
