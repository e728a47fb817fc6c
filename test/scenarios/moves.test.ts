import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import {
  createForum,
  createProject,
  done,
  exitOf,
  forumConfig,
  nothing,
  pagesConfig,
  type Engine,
  type Project,
} from '../helpers/project.ts';
import { addPages, assertQuiet, at, rowOf, bodies, skips } from '../helpers/scenario.ts';

useMariadb();

const MINE = 'db/template_sets/Default Templates';
const isThere = async (project: Project, path: string) => (await readdir(join(project.repo.path, path)).catch(() => null)) !== null;

async function forum(t: TestContext, engine: Engine = 'sqlite'): Promise<Project> {
  const project = await createProject(t, { engine, setUp: createForum, config: forumConfig });
  await project.run('sync');
  await project.repo.commit('Export');
  return project;
}

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

describe('a template set', () => {
  it('retitled in the database moves its folder, with an edit made there, and deletes nothing', async (t) => {
    for (const engine of ['sqlite', 'myisam'] as const) {
      const project = await forum(t, engine);
      const rows = await project.db.sql('SELECT tid, title, template, sid FROM mybb_templates ORDER BY tid');
      await project.db.sql("UPDATE mybb_templatesets SET title = 'Spring / 2026' WHERE sid = 1");
      await project.write(`${MINE}/header/header.html`, 'edited meanwhile');
      const report = await project.run('sync');
      assert.deepEqual(
        done(report),
        {
          files: { written: 0, deleted: 0, renamed: 2 },
          rows: { ...nothing.rows, written: 1 },
          adopted: 0,
          conflicts: [],
        },
        engine,
      );
      assert.equal(exitOf(report), 0);
      const now = 'db/template_sets/Spring %2F 2026';
      assert.equal(await project.read(`${now}/header/header.html`), 'edited meanwhile');
      assert.equal(await project.read(`${now}/index/index_boardstats.html`), '<p>my stats</p>');
      assert.equal(await isThere(project, MINE), false, 'the empty folder is gone');
      assert.deepEqual(
        await project.db.sql('SELECT tid, title, template, sid FROM mybb_templates ORDER BY tid'),
        rows.map((row) => (Number(row.tid) === 4 ? { ...row, template: 'edited meanwhile' } : row)),
      );
      await assertQuiet(project);
    }
  });

  it('retitled is only reported by an import, and moved by an export', async (t) => {
    const project = await forum(t);
    await project.db.sql("UPDATE mybb_templatesets SET title = 'Spring' WHERE sid = 1");
    const imported = await project.run('import');
    assert.deepEqual(
      [done(imported), imported.ahead],
      [
        { ...nothing, adopted: 0, conflicts: [] },
        { files: 0, rows: 2 },
      ],
    );
    assert.deepEqual((await project.status()).rows.map(({ path, change, from }) => [path, change, from]).length, 2);
    const exported = await project.run('export');
    assert.deepEqual(exported.files, { written: 0, deleted: 0, renamed: 2 });
    await assertQuiet(project);
  });

  it('whose titles swap swaps its files', async (t) => {
    const project = await forum(t);
    await project.db.sql("INSERT INTO mybb_templatesets (sid, title) VALUES (2, 'Winter')");
    await project.db.sql("INSERT INTO mybb_templates (title, template, sid) VALUES ('header', 'winter header', 2)");
    await project.run('sync');
    await project.db.sql("UPDATE mybb_templatesets SET title = CASE sid WHEN 1 THEN 'Winter' ELSE 'Default Templates' END");
    const report = await project.run('sync');
    assert.equal(exitOf(report), 0, JSON.stringify(report.skipped));
    assert.equal(report.rows.written + report.rows.deleted + report.rows.inserted, 0);
    assert.equal(await project.read(`${MINE}/header/header.html`), 'winter header');
    assert.equal(await project.read('db/template_sets/Winter/header/header.html'), '<header>mine</header>\n');
    assert.equal(await project.read('db/template_sets/Winter/index/index_boardstats.html'), '<p>my stats</p>');
    await assertQuiet(project);
    const undone = await project.undo();
    assert.deepEqual(undone.conflicts, []);
    assert.equal(await project.read(`${MINE}/header/header.html`), '<header>mine</header>\n');
    assert.equal(await project.read('db/template_sets/Winter/header/header.html'), 'winter header');
  });

  it('that disappears leaves its rows by policy and deletes no file; when it is back, all is in sync', async (t) => {
    const project = await forum(t);
    const before = await project.files();
    await project.db.sql('DELETE FROM mybb_templatesets WHERE sid = 1');
    for (const direction of ['export', 'import', 'sync'] as const) {
      const report = await project.run(direction);
      assert.deepEqual(done(report), { ...nothing, adopted: 0, conflicts: [] }, direction);
      assert.equal(report.skipped.filter(({ code }) => code === 'ORPHANED').length, 2);
    }
    assert.deepEqual(await project.files(), before);
    assert.equal((await project.db.sql('SELECT tid FROM mybb_templates')).length, 6);
    await project.db.sql("INSERT INTO mybb_templatesets (sid, title) VALUES (1, 'Default Templates')");
    await assertQuiet(project);
  });

  it('with the title of another one is refused by name, until one is retitled', async (t) => {
    const project = await forum(t);
    const before = await project.files();
    await project.db.sql("INSERT INTO mybb_templatesets (sid, title) VALUES (2, 'Default Templates')");
    await project.db.sql("INSERT INTO mybb_templates (title, template, sid) VALUES ('header', 'the other one', 2)");
    const report = await project.run('sync');
    assert.equal(exitOf(report), 1);
    assert.deepEqual(done(report), { ...nothing, adopted: 0, conflicts: [] });
    const ambiguous = report.skipped.filter(({ code }) => code === 'AMBIGUOUS_LOOKUP');
    assert.ok(
      ambiguous.length >= 3 && ambiguous.every(({ message }) => /name of sid [12] twice|title "Default Templates" twice/.test(message)),
      JSON.stringify(ambiguous),
    );
    assert.deepEqual(await project.files(), before);
    await project.db.sql("UPDATE mybb_templatesets SET title = 'Other' WHERE sid = 2");
    const mended = await project.run('sync');
    assert.deepEqual([exitOf(mended), mended.files.written], [0, 1]);
    assert.equal(await project.read('db/template_sets/Other/header/header.html'), 'the other one');
  });

  it('may have a title that is no folder name', async (t) => {
    const project = await forum(t);
    for (const [title, folder] of [
      ['..', '%2E%2E'],
      ['a/../b', 'a%2F..%2Fb'],
      ['dot.', 'dot%2E'],
      ['aux', '%61ux'],
      ['.git', '%2Egit'],
      ['.Git. ', '%2EGit.%20'],
    ] as const) {
      await project.db.sql('UPDATE mybb_templatesets SET title = ? WHERE sid = 1', [title]);
      const report = await project.run('sync');
      assert.equal(exitOf(report), 0, `${title}: ${JSON.stringify(report.skipped)}`);
      assert.equal(await project.read(`db/template_sets/${folder}/header/header.html`), '<header>mine</header>\n');
      await assertQuiet(project);
    }
  });
});

describe('names that rows pass on', () => {
  it('are agreed on where the files have passed them on already, by another clone', async (t) => {
    for (const renames of [
      { home: 'old', news: 'home' },
      { home: 'tmp', news: 'home', tmp: 'news' },
    ]) {
      const project = await pages(t);
      for (const [from, to] of Object.entries(renames)) {
        await project.db.sql('UPDATE pages SET slug = ? WHERE slug = ?', [to ?? '', from]);
        await project.repo.move(at(from), at(to ?? ''));
      }
      await project.repo.commit('As the other clone exported it');
      const [rows, files] = [await bodies(project.db), await project.files()];
      const report = await project.run('import', { source: 'hook' });
      assert.deepEqual(done(report), { ...nothing, adopted: 2, conflicts: [] });
      assert.deepEqual([await bodies(project.db), await project.files()], [rows, files]);
      await assertQuiet(project);
    }
  });

  it('delete no row where the texts are equal and the files have passed them on already', async (t) => {
    const [mapping] = pagesConfig.mappings;
    const lookups = { language: { column: 'lang', table: 'languages', key: 'code', name: 'name' } };
    for (const renames of [
      { One: 'Old', Two: 'One' },
      { One: 'Old', Two: 'One', Three: 'Two' },
    ]) {
      const project = await createProject(t, { engine: 'sqlite' });
      await project.db.sql('CREATE TABLE languages (code TEXT, name TEXT)');
      await project.configure({ root: 'db', mappings: [{ ...mapping, path: 'pages/{language}/{slug}.html', lookups }] });
      for (const [code, name] of Object.keys(renames).entries()) {
        await project.db.sql('INSERT INTO languages VALUES (?, ?)', [`${code}`, name]);
        await addPages(project.db, { home: 'the same' }, { lang: `${code}` });
      }
      await project.run('sync');
      await project.repo.commit('Base');
      for (const [from, to] of Object.entries(renames)) {
        await project.db.sql('UPDATE languages SET name = ? WHERE name = ?', [to, from]);
        await project.repo.move(at('home', from), at('home', to));
      }
      await project.repo.commit('As the other clone exported it');
      for (const source of ['hook', 'cli'] as const) {
        const report = await project.run('sync', { source });
        const done = [report.rows, report.files, report.conflicts, report.skipped];
        assert.deepEqual(done, [nothing.rows, nothing.files, [], []], 'the sides agree already, and no row counts as deleted');
      }
      assert.equal((await project.db.sql('SELECT * FROM pages')).length, Object.keys(renames).length);
      await assertQuiet(project);
    }
  });

  it('to a file under another name of its own row delete nothing', async (t) => {
    const project = await forum(t);
    await project.repo.move(`${MINE}/header/header.html`, `${MINE}/misc/header.html`);
    await project.repo.commit('Moved');
    const rows = await project.db.sql('SELECT * FROM mybb_templates ORDER BY tid');
    for (const source of ['hook', 'cli'] as const) {
      const report = await project.run('sync', { source });
      assert.deepEqual([Object.values(skips(report)), report.rows], [['WRONG_PATH'], nothing.rows]);
    }
    assert.deepEqual(await project.db.sql('SELECT * FROM mybb_templates ORDER BY tid'), rows);
  });
});

describe('a lookup', () => {
  it('that has two names for an id is refused, whichever comes first, until one is gone', async (t) => {
    const [mapping] = pagesConfig.mappings;
    const lookups = { language: { column: 'lang', table: 'languages', key: 'code', name: 'name' } };
    const project = await createProject(t, { engine: 'sqlite' });
    await project.db.sql('CREATE TABLE languages (code TEXT, name TEXT)');
    await project.db.sql("INSERT INTO languages VALUES ('en', 'English')");
    await project.configure({ root: 'db', mappings: [{ ...mapping, path: 'pages/{language}/{slug}.html', lookups }] });
    await addPages(project.db, { home: 'home text' });
    await project.run('sync');
    const before = await project.files();
    assert.deepEqual(Object.keys(before), ['db/pages/English/home.html']);
    await project.db.sql("INSERT INTO languages VALUES ('en', 'Englisch')");
    const report = await project.run('sync');
    assert.deepEqual(done(report), { ...nothing, adopted: 0, conflicts: [] });
    assert.match(report.skipped[0]?.message ?? '', /"languages" has the name of lang en twice, or two names for it/);
    assert.deepEqual(await project.files(), before);
    await project.db.sql("DELETE FROM languages WHERE name = 'English'");
    assert.equal((await project.run('sync')).files.renamed, 1);
    await assertQuiet(project);
  });
});

describe('a changed configuration', () => {
  it('that gives the old place of files to another mapping moves them, and makes no rows of that', async (t) => {
    const [mapping] = pagesConfig.mappings;
    const project = await pages(t);
    await project.db.sql('CREATE TABLE snippets (id INTEGER PRIMARY KEY, lang TEXT, slug TEXT, body TEXT)');
    const snippets = { name: 'snippets', table: 'snippets', path: 'pages/{lang}/{slug}.html', content: 'body' };
    await project.configure({ root: 'db', mappings: [{ ...mapping, path: 'texts/{lang}/{slug}.html' }, snippets] });
    const report = await project.run('sync');
    assert.deepEqual([report.files.renamed, report.rows], [3, nothing.rows]);
    assert.deepEqual(await project.db.sql('SELECT * FROM snippets'), []);
    assert.equal(await project.read('db/texts/en/home.html'), 'home text');
    await assertQuiet(project);
  });

  const [mapping] = pagesConfig.mappings;
  const changed = (over: object, root = 'db') => ({ root, mappings: [{ ...mapping, ...over }] });

  for (const [what, config, to] of [
    ['path', changed({ path: 'texts/{lang}-{slug}.txt' }), 'db/texts/en-home.txt'],
    ['root', changed({}, 'content/rows'), 'content/rows/pages/en/home.html'],
    ['path and root', changed({ path: '{slug}.{lang}.md' }, 'web'), 'web/home.en.md'],
  ] as const) {
    it(`with another ${what} moves the files, as renames with their edits, and writes no row but for those`, async (t) => {
      const project = await pages(t);
      const rows = await project.db.sql('SELECT * FROM pages');
      await project.write(at('home'), 'edited before the move');
      await project.configure(config);
      const report = await project.run('sync');
      assert.deepEqual(done(report), {
        files: { written: 0, deleted: 0, renamed: 3 },
        rows: { ...nothing.rows, written: 1 },
        adopted: 0,
        conflicts: [],
      });
      assert.equal(await project.read(to), 'edited before the move');
      assert.equal(await isThere(project, 'db/pages'), false);
      assert.deepEqual(
        await project.db.sql('SELECT id, note FROM pages'),
        rows.map(({ id, note }) => ({ id, note })),
      );
      assert.equal((await project.run('sync')).unchanged, 3);
      // And back again.
      await project.configure(pagesConfig);
      assert.deepEqual((await project.run('sync')).files, { written: 0, deleted: 0, renamed: 3 });
      await assertQuiet(project);
    });
  }

  it('deletes nothing, whatever else changes', async (t) => {
    for (const [what, config] of [
      ['name', changed({ name: 'texts' })],
      ['where', changed({ where: { type: 'article' } })],
      ['where gone', changed({ where: {} })],
      ['exclude', changed({ exclude: ['**'] })],
      ['newlines', changed({ newlines: 'lf' })],
      ['table', changed({ table: 'other', where: {} })],
      ['content', changed({ content: 'note' })],
      ['a mapping less', { root: 'db', mappings: [{ ...mapping, name: 'others', table: 'other', where: {} }] }],
    ] as const) {
      const project = await pages(t);
      await project.db.sql(
        'CREATE TABLE other (id INTEGER PRIMARY KEY, type TEXT, lang TEXT NOT NULL, slug TEXT NOT NULL, body TEXT, note TEXT, updated_at INT DEFAULT 0)',
      );
      await project.db.sql("INSERT INTO other (lang, slug, body) VALUES ('en', 'home', 'another home')");
      await project.configure(config);
      const report = await project.run('sync', { allowMassChange: true });
      assert.deepEqual([report.files.deleted, report.rows.deleted], [0, 0], what);
      for (const slug of ['home', 'about', 'news']) assert.equal(await project.read(at(slug)), `${slug} text`, what);
      const rows = await project.db.sql("SELECT slug, body FROM pages WHERE type = 'page' ORDER BY id");
      assert.deepEqual(
        rows.map(({ body }) => body),
        ['home text', 'about text', 'news text'],
        what,
      );
      await project.configure(pagesConfig);
      const back = await project.run('sync', { allowMassChange: true });
      assert.deepEqual([back.files.deleted, back.rows.deleted], [0, 0], `${what}: back again`);
    }
  });

  it('that changes nothing about an item still lets its deletion through', async (t) => {
    const project = await pages(t);
    await project.configure(changed({ where: {} }));
    await project.run('sync');
    await project.repo.remove(at('home'));
    const report = await project.run('sync');
    assert.deepEqual([report.rows.deleted, report.files.written], [1, 0], 'deleted by hand after the change, so it is a deletion');
  });

  it('that excludes where a row or file moved to deletes neither', async (t) => {
    const project = await pages(t);
    await project.configure(changed({ exclude: ['pages/en/draft-*'] }));
    await project.run('sync');
    await project.db.sql("UPDATE pages SET slug = 'draft-home' WHERE slug = 'home'");
    const report = await project.run('sync');
    assert.equal(report.files.deleted, 0);
    assert.equal(await project.read(at('home')), 'home text');
    assert.equal((await rowOf(project.db, 'draft-home'))?.body, 'home text');
  });
});
