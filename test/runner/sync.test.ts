import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  createForum,
  createProject,
  type Database,
  done,
  engines,
  exitOf,
  forumConfig,
  nothing,
  type Project,
} from '../helpers/project.ts';
import { useMariadb } from '../helpers/mariadb.ts';

useMariadb();

const byText = (a: unknown, b: unknown): number => JSON.stringify(a).localeCompare(JSON.stringify(b));

const MASTER = 'db/template_sets/Master Templates';
const MINE = 'db/template_sets/Default Templates';
const templates = (db: Database) => db.sql('SELECT tid, title, template, sid, version, status FROM mybb_templates ORDER BY tid');

async function synced(t: Parameters<typeof createProject>[0], engine: (typeof engines)[number]): Promise<Project> {
  const project = await createProject(t, { engine, setUp: createForum, config: forumConfig });
  const first = await project.run('sync');
  assert.equal(first.files.written, 7);
  return project;
}

for (const engine of engines) {
  describe(`a forum on ${engine}`, () => {
    it('is exported byte for byte, and the second run of anything writes nothing', async (t) => {
      const project = await synced(t, engine);
      assert.deepEqual(await project.files(), {
        [`${MASTER}/header/header.html`]: '<header>master</header>\n',
        [`${MASTER}/footer/footer.html`]: '<footer>master</footer>\n',
        [`${MASTER}/index/index_boardstats.html`]: '<p>stats</p>',
        [`${MINE}/header/header.html`]: '<header>mine</header>\n',
        [`${MINE}/index/index_boardstats.html`]: '<p>my stats</p>',
        'db/template_sets/Global Templates/footer/footer_global.html': '<p>everywhere</p>',
        'db/styles/Default/global.css': 'body { color: black }',
      });
      const mtimes = await project.mtimes();
      const rows = await templates(project.db);
      for (const direction of ['export', 'import', 'sync'] as const) {
        const report = await project.run(direction);
        assert.deepEqual(
          { files: report.files, rows: report.rows, txid: report.txid, unchanged: report.unchanged },
          { ...nothing, txid: null, unchanged: 7 },
        );
      }
      assert.deepEqual(await project.mtimes(), mtimes);
      assert.deepEqual(await templates(project.db), rows);
    });

    it('takes edits, deletions, additions, a rename and a conflict each where they belong, and undoes them all', async (t) => {
      const project = await synced(t, engine);
      const { db } = project;
      const before = { files: await project.files(), rows: await templates(db) };

      await project.write(`${MINE}/header/header.html`, '<header>from the file</header>\n');
      await project.repo.remove(`${MINE}/index/index_boardstats.html`);
      await project.write(`${MINE}/footer/footer.html`, '<footer>an override</footer>\n');
      await project.repo.move(
        'db/template_sets/Global Templates/footer/footer_global.html',
        'db/template_sets/Global Templates/footer/footer_all.html',
      );
      await db.sql("UPDATE mybb_templates SET template = '<footer>by upgrade</footer>' WHERE tid = 2");
      await project.write('db/styles/Default/global.css', 'body { color: blue }');
      await db.sql("UPDATE mybb_themestylesheets SET stylesheet = 'body { color: red }' WHERE sid = 1");
      const edited = { files: await project.files(), rows: await templates(db) };

      const dry = await project.run('sync', { dryRun: true });
      assert.deepEqual({ files: await project.files(), rows: await templates(db) }, edited, 'a dry run writes nothing');
      const report = await project.run('sync');
      assert.deepEqual(done(report), done(dry), 'a dry run says exactly what the run does');
      assert.deepEqual(done(report), {
        files: { written: 1, deleted: 0, renamed: 0 },
        rows: { written: 1, inserted: 1, deleted: 1, renamed: 1 },
        adopted: 0,
        conflicts: [
          {
            path: 'db/styles/Default/global.css',
            mapping: 'stylesheets',
            key: { tid: '1', name: 'global.css' },
            file: 'changed',
            row: 'changed',
          },
        ],
      });
      assert.equal(exitOf(report), 1);
      assert.equal(await project.read(`${MASTER}/footer/footer.html`), '<footer>by upgrade</footer>');
      const rows = await templates(db);
      assert.deepEqual(
        rows.map(({ tid, title, template, sid }) => [Number(tid), title, template, Number(sid)]),
        [
          [1, 'header', '<header>master</header>\n', -2],
          [2, 'footer', '<footer>by upgrade</footer>', -2],
          [3, 'index_boardstats', '<p>stats</p>', -2],
          [4, 'header', '<header>from the file</header>\n', 1],
          [6, 'footer_all', '<p>everywhere</p>', -1],
          [Number(rows.at(-1)?.tid), 'footer', '<footer>an override</footer>\n', 1],
        ],
      );
      assert.equal(rows.at(-1)?.version, '1837', 'a new row is stamped with the version of the installation');
      assert.equal(await project.read('db/styles/Default/global.css'), 'body { color: blue }', 'the conflict is intact on both sides');
      assert.deepEqual(await db.sql('SELECT stylesheet FROM mybb_themestylesheets'), [{ stylesheet: 'body { color: red }' }]);

      const undone = await project.undo();
      assert.deepEqual(undone.conflicts, []);
      assert.deepEqual(await project.files(), {
        ...edited.files,
        [`${MASTER}/footer/footer.html`]: before.files[`${MASTER}/footer/footer.html`],
      });
      const stamps = (list: Record<string, unknown>[]) => list.toSorted((a, b) => Number(a.tid) - Number(b.tid));
      assert.deepEqual(stamps(await templates(db)), stamps(edited.rows), 'every column of every row is what it was before the batch');

      const again = await project.undo(undone.txid ?? '');
      assert.deepEqual(again.conflicts, []);
      assert.equal(await project.read(`${MASTER}/footer/footer.html`), '<footer>by upgrade</footer>', 'an undo can be undone');
      assert.deepEqual(
        (await templates(db)).map(({ title, template, sid }) => [title, template, Number(sid)]).toSorted(byText),
        rows.map(({ title, template, sid }) => [title, template, Number(sid)]).toSorted(byText),
      );
    });

    it('settles a conflict either way, and keeps the losing text', async (t) => {
      for (const how of ['file', 'row'] as const) {
        const project = await synced(t, engine);
        const path = `${MINE}/header/header.html`;
        await project.write(path, 'from the file');
        await project.db.sql("UPDATE mybb_templates SET template = 'from the row' WHERE tid = 4");
        assert.equal(exitOf(await project.run('sync')), 1);
        const report = await project.resolve(how, path);
        assert.equal(exitOf(report), 0);
        const winner = how === 'file' ? 'from the file' : 'from the row';
        assert.equal(await project.read(path), winner);
        assert.deepEqual((await project.db.sql('SELECT template FROM mybb_templates WHERE tid = 4'))[0]?.template, winner);
        const loser = how === 'file' ? 'row' : 'file';
        assert.equal(
          await project.show(report.txid ?? '', path, { before: true, side: loser }),
          how === 'file' ? 'from the row' : 'from the file',
        );
        assert.deepEqual(done(await project.run('sync')), { ...nothing, adopted: 0, conflicts: [] });
      }
    });

    it('merges changes of different lines', async (t) => {
      const project = await synced(t, engine);
      const path = `${MINE}/header/header.html`;
      const lines = (first: string, last: string) => `${first}\n1\n2\n3\n${last}\n`;
      await project.write(path, lines('a', 'z'));
      await project.run('import');
      await project.write(path, lines('A', 'z'));
      await project.db.sql(`UPDATE mybb_templates SET template = '${lines('a', 'Z')}' WHERE tid = 4`);
      const report = await project.resolve('merge', path);
      assert.equal(exitOf(report), 0);
      assert.equal(await project.read(path), lines('A', 'Z'));
      assert.equal((await project.db.sql('SELECT template FROM mybb_templates WHERE tid = 4'))[0]?.template, lines('A', 'Z'));
      assert.deepEqual(done(await project.run('sync')), { ...nothing, adopted: 0, conflicts: [] });

      await project.write(path, lines('one', 'Z'));
      await project.db.sql(`UPDATE mybb_templates SET template = '${lines('two', 'Z')}' WHERE tid = 4`);
      const failed = await project.resolve('merge', path);
      assert.equal(exitOf(failed), 1);
      assert.equal(await project.read(path), lines('one', 'Z'), 'what overlaps is left as it is');
    });

    it('leaves the master set alone, and does not import what would be inherited anyway', async (t) => {
      const project = await synced(t, engine);
      await project.write(`${MASTER}/footer/footer.html`, 'edited');
      await project.write(`${MINE}/footer/footer.html`, '<footer>master</footer>\n');
      const rows = await templates(project.db);
      const report = await project.run('sync');
      assert.deepEqual(
        report.skipped.map(({ path, code }) => [path, code]).toSorted(byText),
        [
          [`${MASTER}/footer/footer.html`, 'READ_ONLY'],
          [`${MINE}/footer/footer.html`, 'INHERITED'],
        ].toSorted(byText),
      );
      assert.equal(exitOf(report), 0);
      assert.deepEqual(await templates(project.db), rows);
    });
  });
}
