import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { createProject, exitOf } from '../helpers/project.ts';
import { addPages, assertQuiet, everythingOutside, rowOf, skips } from '../helpers/scenario.ts';

useMariadb();

const hostile = [
  '../../.git/hooks/pre-commit',
  'a/b',
  'CON',
  'aux.',
  '.GIT',
  '..',
  '.',
  'git~1',
  '.gitattributes',
  '.gitmodules',
  '-rf',
  '~',
  '~/x',
  'x'.repeat(300),
  'é'.repeat(120),
  'tab\there',
  'line\nbreak',
  '\u0001',
  'a%2Fb',
  '%2F',
  '%',
  '%zz',
  'smile 🙂',
  'right\u202Eleft',
  'zero\u200Bwidth',
  ' lead',
  'trail ',
  'dot.',
  'back\\slash',
  'c:colon',
  'NUL.txt',
  '$(touch x)',
  '"quoted"',
  "it's",
  '.html',
  'x.html',
  'x.html.html',
  '.sync-run-x',
  'nfc \u00E9',
  '\uFEFFbom',
  'name.swp',
  '.hidden',
  'back~',
  '#auto#',
  '4913',
  'a.tmp',
  '\u2028line',
];

describe('keys that are no harmless file names', () => {
  for (const engine of ['sqlite', 'innodb'] as const) {
    it(`stay below the root, and each goes both ways or is named, on ${engine}`, async (t) => {
      const project = await createProject(t, {
        engine,
        setUp: async (db) => {
          const tail = engine === 'sqlite' ? '' : ' DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';
          const id = engine === 'sqlite' ? 'id INTEGER PRIMARY KEY' : 'id INT AUTO_INCREMENT PRIMARY KEY';
          await db.sql(
            `CREATE TABLE pages (${id}, type VARCHAR(20), lang VARCHAR(10), slug VARCHAR(500), body TEXT, note VARCHAR(50), updated_at INT DEFAULT 0)${tail}`,
          );
        },
      });
      await addPages(project.db, Object.fromEntries(hostile.map((key, index) => [key, `text ${index}`])));
      await project.repo.commit('Before');
      const outside = await everythingOutside(project);
      const report = await project.run('export');
      assert.deepEqual(await everythingOutside(project), outside);
      const files = await project.files();
      const named = report.skipped.length;
      assert.equal(Object.keys(files).length + named, hostile.length, JSON.stringify(report.skipped));
      assert.equal(exitOf(report), 1);
      assert.deepEqual([...new Set(Object.values(skips(report)))].toSorted(), ['NAME_TOO_LONG']);

      for (const [path, text] of Object.entries(files)) await project.write(path, `${text}, edited`);
      const imported = await project.run('import');
      assert.deepEqual([imported.rows.written, imported.rows.inserted, imported.rows.deleted], [hostile.length - named, 0, 0]);
      for (const [index, key] of hostile.entries()) {
        const body = (await rowOf(project.db, key))?.body;
        assert.ok(
          body === `text ${index}, edited` || (body === `text ${index}` && key.length > 100),
          `${JSON.stringify(key)}: ${String(body)}`,
        );
      }
      assert.deepEqual(await everythingOutside(project), outside);
      assert.deepEqual((await project.run('sync')).files, { written: 0, deleted: 0, renamed: 0 });

      // The same names are understood when they come as new files: without rows each makes the row it was made from.
      await project.db.sql('DELETE FROM pages');
      await project.with(({ state }) => state.forgetBase());
      const fresh = await project.run('import');
      assert.equal(fresh.rows.inserted, hostile.length - named);
      for (const key of hostile) if (key.length <= 100) assert.ok(await rowOf(project.db, key), JSON.stringify(key));
      assert.deepEqual(Object.keys(await project.files()), Object.keys(files));
    });
  }

  it('that are one name on some file system are all refused by name, until one is renamed', async (t) => {
    for (const twins of [
      ['Straße', 'STRASSE'],
      ['caf\u00E9', 'cafe\u0301'],
      ['Home', 'home'],
      ['ﬁle', 'file'],
      ['K', '\u212A'],
    ] as const) {
      const project = await createProject(t, { engine: 'sqlite' });
      await addPages(project.db, { [twins[0]]: 'first', [twins[1]]: 'second', other: 'other' });
      const report = await project.run('sync');
      assert.deepEqual(Object.values(skips(report)), ['COLLISION', 'COLLISION'], 'names that are one somewhere are refused');
      assert.deepEqual([report.files.written, exitOf(report)], [1, 1]);
      for (const [index, { message }] of report.skipped.entries()) assert.ok(message.includes(report.skipped[1 - index]!.path));
      await project.db.sql('UPDATE pages SET slug = ? WHERE slug = ?', ['elsewhere', twins[1]]);
      const mended = await project.run('sync');
      assert.deepEqual([mended.files.written, exitOf(mended)], [2, 0]);
      await assertQuiet(project);
    }
  });

  it('that become twins later leave the file that was there alone', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { home: 'home', about: 'about' });
    await project.run('sync');
    await addPages(project.db, { HOME: 'HOME' });
    await project.write('db/pages/en/home.html', 'edited');
    const report = await project.run('sync');
    assert.deepEqual(Object.values(skips(report)), ['COLLISION', 'COLLISION']);
    assert.deepEqual(await project.files(), { 'db/pages/en/home.html': 'edited', 'db/pages/en/about.html': 'about' });
    assert.equal((await rowOf(project.db, 'home'))?.body, 'home');
  });

  it('empty or NULL, or twice, are named by their row', async (t) => {
    const project = await createProject(t, {
      engine: 'sqlite',
      setUp: (db) =>
        db
          .sql('CREATE TABLE pages (id INTEGER PRIMARY KEY, type TEXT, lang TEXT, slug TEXT, body TEXT, note TEXT, updated_at INT)')
          .then(() => undefined),
    });
    await addPages(project.db, { '': 'empty', fine: 'fine' });
    await project.db.sql(
      "INSERT INTO pages (type, lang, slug, body) VALUES ('page', 'en', NULL, 'null'), ('page', 'en', 'twin', 'a'), ('page', 'en', 'twin', 'b')",
    );
    const report = await project.run('sync');
    assert.deepEqual(report.skipped.map(({ code }) => code).toSorted(), ['DUPLICATE_KEY', 'DUPLICATE_KEY', 'EMPTY_NAME', 'EMPTY_NAME']);
    assert.deepEqual(await project.files(), { 'db/pages/en/fine.html': 'fine' });
    await project.write('db/pages/en/twin.html', 'which one');
    const again = await project.run('sync');
    assert.deepEqual([again.rows.written, again.rows.inserted, exitOf(again)], [0, 0, 1]);
    assert.deepEqual(await project.db.sql("SELECT body FROM pages WHERE slug = 'twin' ORDER BY id"), [{ body: 'a' }, { body: 'b' }]);
  });
});

describe('file names that stand for no row', () => {
  it('are named with the right path', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { home: 'home' });
    await project.run('sync');
    await project.write('db/pages/en/a%2fb.html', 'lower case hex');
    await project.write('db/pages/en/%41.html', 'needlessly encoded');
    const report = await project.run('sync');
    assert.equal(exitOf(report), 1);
    assert.deepEqual(
      report.skipped.map(({ path, code, message }) => [path, code, message]),
      [
        ['db/pages/en/%41.html', 'WRONG_PATH', 'The right path is "db/pages/en/A.html"'],
        ['db/pages/en/a%2fb.html', 'WRONG_PATH', 'The right path is "db/pages/en/a%2Fb.html"'],
      ],
    );
    assert.equal((await project.db.sql('SELECT id FROM pages')).length, 1);
  });
});

describe('keys that look like what editors leave behind', () => {
  it('are never taken for files that are gone', async (t) => {
    const config = { root: 'db', mappings: [{ name: 'styles', table: 'pages', path: 'styles/{slug}', content: 'body' }] };
    const project = await createProject(t, { engine: 'sqlite', config });
    const keys = [
      '4913',
      'style.css~',
      '.style.css.swp',
      '.#lock',
      '#auto#',
      'x.swx',
      '.DS_Store',
      'Thumbs.db',
      'x.tmp',
      'fine.css',
      '.sync-run-mine',
      'x___jb_tmp___',
      '.goutputstream-ABC',
    ];
    await addPages(project.db, Object.fromEntries(keys.map((key) => [key, `text of ${key}`])));
    const rows = await project.db.sql('SELECT * FROM pages');
    for (const direction of ['export', 'sync', 'import', 'sync'] as const) await project.run(direction, { allowMassChange: true });
    assert.deepEqual(await project.db.sql('SELECT * FROM pages'), rows);
    const report = await project.run('sync');
    const named = Object.values(skips(report));
    assert.equal(named.length + Object.keys(await project.files()).length, keys.length, 'each is a file or is named');
    await project.write('db/styles/fine.css', 'edited');
    await project.repo.write('db/styles/fine.css~', 'an editor at work');
    assert.deepEqual((await project.run('sync')).rows, { written: 1, inserted: 0, deleted: 0, renamed: 0 });
  });
});
