import assert from 'node:assert/strict';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { createProject, done, type Engine, exitOf, nothing } from '../helpers/project.ts';
import { addPages, assertQuiet, at, bodies, conflicts, rowOf, setBody, skips } from '../helpers/scenario.ts';

useMariadb();

async function pages(
  t: TestContext,
  texts: Record<string, string> = { home: 'home text', about: 'about text', news: 'news text' },
  engine: Engine = 'sqlite',
) {
  const project = await createProject(t, { engine });
  await addPages(project.db, texts);
  await project.run('sync');
  await project.repo.commit('Export');
  return project;
}

describe('a renamed file', () => {
  it('moves its row, whatever moved it', async (t) => {
    for (const how of ['mv', 'git mv', 'git mv, committed', 'git mv, committed long ago', 'git mv and an edit'] as const) {
      const project = await pages(t);
      const before = await rowOf(project.db, 'home');
      if (how === 'mv') await project.repo.move(at('home'), at('start'));
      else await project.repo.git('mv', at('home'), at('start'));
      if (how.includes('committed')) await project.repo.commit('Rename');
      if (how.includes('long ago')) {
        await project.write(at('about'), 'more');
        await project.repo.commit('More');
      }
      if (how.includes('edit')) await project.write(at('start'), 'home text, and more of it');
      const report = await project.run('sync');
      assert.equal(exitOf(report), 0, how);
      assert.deepEqual([report.rows.renamed, report.rows.inserted, report.rows.deleted], [1, 0, 0], how);
      const after = await rowOf(project.db, 'start');
      assert.deepEqual([after?.id, after?.note], [before?.id, before?.note], how);
      assert.equal(after?.body, how.includes('edit') ? 'home text, and more of it' : 'home text');
      await assertQuiet(project);
    }
  });

  it('into another folder changes the key column the folder stands for', async (t) => {
    const project = await pages(t);
    await project.repo.move('db/pages/en', 'db/pages/de');
    const report = await project.run('sync');
    assert.deepEqual(report.rows, { ...nothing.rows, renamed: 3 });
    assert.deepEqual(await project.db.sql('SELECT DISTINCT lang FROM pages'), [{ lang: 'de' }]);
    assert.equal((await rowOf(project.db, 'home'))?.id, 1);
    await assertQuiet(project);
  });

  it('and an edited row are both carried over', async (t) => {
    const project = await pages(t);
    await project.repo.move(at('home'), at('start'));
    await setBody(project.db, 'home', 'edited in the panel');
    const dry = await project.run('sync', { dryRun: true });
    const report = await project.run('sync');
    assert.deepEqual(done(report), done(dry));
    assert.equal(await project.read(at('start')), 'edited in the panel');
    assert.deepEqual([(await rowOf(project.db, 'start'))?.id, (await rowOf(project.db, 'start'))?.body], [1, 'edited in the panel']);
    assert.deepEqual(Object.keys(await project.files()).includes(at('home')), false);
    await assertQuiet(project);
  });

  it('and a row renamed otherwise are a conflict, and each side can win', async (t) => {
    for (const how of ['file', 'row'] as const) {
      const project = await pages(t);
      await project.repo.move(at('home'), at('start'));
      await project.db.sql("UPDATE pages SET slug = 'index' WHERE slug = 'home'");
      assert.equal(conflicts(await project.run('sync')).length, 1);
      assert.deepEqual([await project.read(at('start')), (await rowOf(project.db, 'index'))?.body], ['home text', 'home text']);
      const settled = await project.resolve(how, at('start'));
      assert.equal(exitOf(settled), 0);
      const winner = how === 'file' ? 'start' : 'index';
      assert.equal(await project.read(at(winner)), 'home text');
      assert.equal((await rowOf(project.db, winner))?.id, 1);
      assert.equal(Object.keys(await project.files()).length, 3);
      await assertQuiet(project);
    }
  });

  it('stays one when only the text of its row is exported, and goes along when the texts are merged', async (t) => {
    for (const how of ['export', 'merge'] as const) {
      const text = (first: string, last: string): string => `${first}\n${'in between\n'.repeat(9)}${last}\n`;
      const project = await pages(t, { home: text('a', 'b'), about: 'about text' });
      await project.repo.git('mv', at('home'), at('start'));
      await setBody(project.db, 'home', text('a', 'B'));
      if (how === 'merge') await project.write(at('start'), text('A', 'b'));
      const report = await (how === 'merge' ? project.resolve('merge', at('start')) : project.run('export'));
      assert.deepEqual([exitOf(report), conflicts(report)], [0, []], how);
      assert.equal((await project.run('sync')).rows.renamed, how === 'merge' ? 0 : 1);
      const both = text(how === 'merge' ? 'A' : 'a', 'B');
      assert.deepEqual(await bodies(project.db), { start: both, about: 'about text' });
      assert.equal(await project.read(at('start')), both);
      assert.equal((await rowOf(project.db, 'start'))?.id, 1);
      await assertQuiet(project);
    }
  });

  it('of a row, and a deleted file, are a conflict also where the text of the file was imported in between', async (t) => {
    for (const between of [false, true]) {
      const project = await pages(t);
      await project.db.sql("UPDATE pages SET slug = 'start' WHERE slug = 'home'");
      await project.write(at('home'), 'edited');
      await project.repo.commit('Edit');
      if (between) assert.equal((await project.run('import', { source: 'hook', paths: [at('home')] })).rows.written, 1);
      await project.repo.git('rm', '--quiet', at('home'));
      await project.repo.commit('Delete');
      const report = await project.run('import', { source: 'hook' });
      assert.deepEqual([report.rows.deleted, report.conflicts.length], [0, 1], String(between));
      assert.equal((await bodies(project.db)).start, between ? 'edited' : 'home text');
    }
  });

  it('over another item replaces that one: its row goes into the history, the other keeps its id', async (t) => {
    const project = await pages(t);
    await project.repo.move(at('home'), at('about'));
    const report = await project.run('sync');
    assert.equal(exitOf(report), 0);
    assert.deepEqual(await bodies(project.db), { about: 'home text', news: 'news text' });
    assert.equal(await project.show(report.txid ?? '', at('about'), { before: true, side: 'row' }), 'about text');
    await assertQuiet(project);
    assert.deepEqual((await project.undo()).conflicts, []);
    assert.deepEqual(await bodies(project.db), { home: 'home text', about: 'about text', news: 'news text' });
  });

  it('swapped, rotated or moved along a chain ends with each text under its new name', async (t) => {
    for (const [moves, expected] of [
      [
        [
          ['home', 'x'],
          ['about', 'home'],
          ['x', 'about'],
        ],
        { home: 'about text', about: 'home text', news: 'news text' },
      ],
      [
        [
          ['home', 'x'],
          ['about', 'home'],
          ['news', 'about'],
          ['x', 'news'],
        ],
        { home: 'about text', about: 'news text', news: 'home text' },
      ],
      [
        [
          ['news', 'old'],
          ['about', 'news'],
          ['home', 'about'],
        ],
        { about: 'home text', news: 'about text', old: 'news text' },
      ],
    ] as const) {
      for (const staged of [false, true]) {
        const project = await pages(t);
        for (const [from, to] of moves) await project.repo.move(at(from), at(to));
        if (staged) await project.repo.git('add', '--all');
        const report = await project.run('sync');
        assert.equal(exitOf(report), 0);
        assert.deepEqual(await bodies(project.db), expected);
        await assertQuiet(project);
        assert.deepEqual((await project.undo()).conflicts, []);
        assert.deepEqual(await bodies(project.db), { home: 'home text', about: 'about text', news: 'news text' });
      }
    }
  });

  it('but for case moves its row, and back', async (t) => {
    for (const engine of ['sqlite', 'innodb'] as const) {
      const project = await pages(t, { home: 'home text', about: 'about text' }, engine);
      await project.repo.git('mv', at('home'), at('Home'));
      const report = await project.run('sync');
      assert.deepEqual([exitOf(report), report.rows], [0, { ...nothing.rows, renamed: 1 }]);
      assert.deepEqual(
        (await project.db.sql('SELECT id, slug FROM pages ORDER BY id')).map(({ id, slug }) => [Number(id), slug]),
        [
          [1, 'Home'],
          [2, 'about'],
        ],
      );
      await assertQuiet(project);
      await project.db.sql("UPDATE pages SET slug = 'HOME' WHERE id = 1");
      const back = await project.run('sync');
      assert.deepEqual([exitOf(back), back.files], [0, { written: 0, deleted: 0, renamed: 1 }]);
      assert.deepEqual(Object.keys(await project.files()).toSorted(), [at('HOME'), at('about')]);
      await assertQuiet(project);
    }
  });
});

describe('renamed rows', () => {
  it('that swap their keys swap their files, and the file side can undo it with resolve', async (t) => {
    for (const engine of ['sqlite', 'innodb', 'myisam'] as const) {
      const project = await pages(t, undefined, engine);
      await project.db.sql('CREATE UNIQUE INDEX by_key ON pages (lang, slug)');
      for (const [from, to] of [
        ['home', 'x'],
        ['about', 'home'],
        ['x', 'about'],
      ])
        await project.db.sql('UPDATE pages SET slug = ? WHERE slug = ?', [to!, from!]);
      const report = await project.run('sync');
      assert.deepEqual([exitOf(report), report.files], [0, { written: 0, deleted: 0, renamed: 2 }]);
      assert.equal(await project.read(at('home')), 'about text');
      await assertQuiet(project);
      for (const [from, to] of [
        ['home', 'x'],
        ['about', 'home'],
        ['x', 'about'],
      ])
        await project.db.sql('UPDATE pages SET slug = ? WHERE slug = ?', [to!, from!]);
      const settled = await project.resolve('file', 'db');
      assert.equal(exitOf(settled), 0, JSON.stringify(settled.skipped));
      assert.deepEqual([(await rowOf(project.db, 'home'))?.id, (await rowOf(project.db, 'about'))?.id], [2, 1], engine);
      assert.equal(await project.read(at('home')), 'about text');
      await assertQuiet(project);
    }
  });

  it("onto a file that is nobody's row yet wait for a person", async (t) => {
    const project = await pages(t);
    await project.write(at('start'), 'a page of its own');
    await project.db.sql("UPDATE pages SET slug = 'start' WHERE slug = 'home'");
    const report = await project.run('sync');
    assert.equal(exitOf(report), 1, JSON.stringify([report.skipped, report.conflicts, report.changes]));
    assert.equal(await project.read(at('start')), 'a page of its own');
    assert.equal(await project.read(at('home')), 'home text');
    assert.equal((await rowOf(project.db, 'start'))?.body, 'home text');
    assert.ok(Object.values(skips(report)).includes('OCCUPIED'));
  });

  it('onto a folder wait for a person, as a new row does', async (t) => {
    const project = await pages(t);
    await project.write(`${at('start')}/readme.txt`, 'not ours');
    const waits = async (codes: string[]): Promise<void> => {
      const report = await project.run('sync');
      assert.deepEqual([done(report), Object.values(skips(report))], [{ ...nothing, adopted: 0, conflicts: [] }, codes]);
    };
    await project.db.sql("UPDATE pages SET slug = 'start' WHERE slug = 'home'");
    await waits(['OCCUPIED']);
    await project.db.sql("UPDATE pages SET slug = 'home' WHERE slug = 'start'");
    await waits([]);
    await addPages(project.db, { start: 'new' });
    await waits(['OCCUPIED']);
    await project.repo.remove(`${at('start')}/readme.txt`);
    await waits(['OCCUPIED']);
    await rmdir(join(project.repo.path, at('start')));
    assert.equal((await project.run('sync')).files.written, 1);
    assert.equal(await project.read(at('start')), 'new');
    await assertQuiet(project);
  });

  it('do not take the path of an item that waits for a person, even if its file is gone', async (t) => {
    const project = await pages(t);
    await project.write(at('home'), 'from the file');
    await project.db.sql("UPDATE pages SET slug = 'start', body = 'from the panel' WHERE slug = 'home'");
    await project.db.sql("UPDATE pages SET slug = 'home' WHERE slug = 'about'");
    await project.run('sync');
    await project.repo.remove(at('home'));
    for (let n = 0; n < 2; n++) {
      const report = await project.run('sync');
      assert.deepEqual(done(report), { ...nothing, adopted: 0, conflicts: report.conflicts });
      assert.equal(report.conflicts.length, 1);
      assert.deepEqual(Object.values(skips(report)), ['OCCUPIED']);
    }
    assert.deepEqual(await bodies(project.db), { start: 'from the panel', home: 'about text', news: 'news text' });
    await project.resolve('row', at('start'));
    await project.run('sync');
    assert.deepEqual(await project.files(), {
      [at('home')]: 'about text',
      [at('news')]: 'news text',
      [at('start')]: 'from the panel',
    });
    await assertQuiet(project);
  });
});
