import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { createProject, done, type Engine, exitOf, nothing, pagesConfig, type Project } from '../helpers/project.ts';
import { addPages, assertQuiet, at, refusalOf, skips } from '../helpers/scenario.ts';

useMariadb();

const mapping = { name: 'pages', table: 'pages', path: 'pages/{lang}/{slug}.html', content: 'body' };

/** A table as the story needs it, exported and committed. */
async function table(t: TestContext, engine: Engine, statements: string[], over: object = {}): Promise<Project> {
  const project = await createProject(t, {
    engine,
    setUp: async (db) => {
      for (const statement of statements) await db.sql(statement);
    },
    config: { root: 'db', mappings: [{ ...mapping, ...over }] },
  });
  await project.run('sync');
  await project.repo.commit('Export');
  return project;
}

describe('keys of all kinds', () => {
  const wrongNumbers = [
    ['db/x7/home.txt', 'no number'],
    ['db/007/other.txt', 'not its shortest form'],
    ['db/1.5/x.txt', 'no integer'],
  ] as const;
  const there = async (project: Project, path: string, to: string): Promise<void> => {
    const text = await project.read(path);
    await project.write(path, `${text}, edited`);
    assert.equal((await project.run('sync')).rows.written, 1);
    await project.repo.move(path, to);
    const moved = await project.run('sync');
    assert.deepEqual([exitOf(moved), moved.rows], [0, { ...nothing.rows, renamed: 1 }], JSON.stringify(moved.skipped));
    await assertQuiet(project);
    await project.undo();
    assert.deepEqual(done(await project.run('sync')).rows, { ...nothing.rows, renamed: 1 });
    await project.repo.remove(to);
    assert.equal((await project.run('sync')).rows.deleted, 1);
    await project.write(to, `${text}, edited`);
    assert.equal((await project.run('sync')).rows.inserted, 1);
    await assertQuiet(project);
  };

  for (const engine of ['sqlite', 'innodb'] as const) {
    it(`the key is the primary key itself, on ${engine}`, async (t) => {
      const project = await table(t, engine, [
        'CREATE TABLE pages (lang VARCHAR(10) NOT NULL, slug VARCHAR(60) NOT NULL, body TEXT, note VARCHAR(20), PRIMARY KEY (lang, slug))',
        "INSERT INTO pages VALUES ('en', 'home', 'home', 'kept'), ('en', 'about', 'about', 'kept')",
      ]);
      await there(project, at('home'), at('start'));
      assert.deepEqual(await project.db.sql("SELECT body, note FROM pages WHERE slug = 'start'"), [{ body: 'home, edited', note: 'kept' }]);
      await project.db.sql("UPDATE pages SET slug = 'renamed' WHERE slug = 'start'");
      const report = await project.run('sync');
      assert.equal(exitOf(report), 0);
      assert.deepEqual(Object.keys(await project.files()).toSorted(), [at('about'), at('renamed')]);
      await assertQuiet(project);
    });

    it(`an integer is part of the key, on ${engine}`, async (t) => {
      const project = await table(
        t,
        engine,
        [
          'CREATE TABLE pages (id INT NOT NULL, slug VARCHAR(60) NOT NULL, body TEXT, note VARCHAR(20), PRIMARY KEY (id))',
          "INSERT INTO pages VALUES (1, 'home', 'home', 'kept'), (20, 'about', 'about', 'kept')",
        ],
        { path: '{id}/{slug}.txt' },
      );
      await there(project, 'db/1/home.txt', 'db/7/home.txt');
      // SQLite stores what it is given, so there such names are keys like others.
      for (const [path, what] of engine === 'sqlite' ? [] : wrongNumbers) {
        await project.write(path, 'text');
        const report = await project.run('sync').catch((error: { code: string }) => error);
        const code = 'code' in report ? report.code : skips(report)[path];
        assert.ok(
          ['VERIFY', 'REFUSED_BY_DATABASE', 'CHANGED_BY_DATABASE', 'WRONG_PATH', 'INVALID_TEXT'].includes(String(code)),
          `${engine}, ${what}: ${code}`,
        );
        await project.repo.remove(path);
      }
      assert.deepEqual(
        (await project.db.sql('SELECT id FROM pages ORDER BY id')).map(({ id }) => Number(id)),
        [7, 20],
      );
      await assertQuiet(project);
    });
  }

  it('a binary primary key, and an id that only the application makes', async (t) => {
    const project = await table(t, 'innodb', [
      'CREATE TABLE pages (id BINARY(16) PRIMARY KEY, lang VARCHAR(10), slug VARCHAR(60), body TEXT)',
      "INSERT INTO pages VALUES (UNHEX('00FF10203040506070809000A0B0C0D0'), 'en', 'home', 'home'), (UNHEX('0102030405060708090A0B0C0D0E0F00'), 'en', 'about', 'about')",
    ]);
    await project.write(at('home'), 'edited');
    await project.repo.move(at('about'), at('imprint'));
    await project.write(at('new'), 'new');
    const report = await project.run('sync');
    assert.deepEqual(
      [report.rows, skips(report)],
      [{ written: 1, inserted: 0, deleted: 0, renamed: 1 }, { [at('new')]: 'REFUSED_BY_DATABASE' }],
    );
    await project.repo.remove(at('new'));
    await project.repo.remove(at('home'));
    assert.equal((await project.run('sync')).rows.deleted, 1);
    await project.write(at('home'), 'edited');
    assert.equal((await project.run('sync')).rows.inserted, 1, 'a row that was there before has its old id');
    assert.equal((await project.db.sql("SELECT HEX(id) AS id FROM pages WHERE slug = 'home'"))[0]?.id, '00FF10203040506070809000A0B0C0D0');
    await assertQuiet(project);
  });

  it('generated columns and defaults are left to the database, also when a row comes back', async (t) => {
    for (const engine of ['sqlite', 'innodb'] as const) {
      const id = engine === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY';
      const project = await table(
        t,
        engine,
        [
          `CREATE TABLE pages (id ${id}, lang VARCHAR(10), slug VARCHAR(60), body TEXT, size INT GENERATED ALWAYS AS (LENGTH(body)) STORED, made VARCHAR(20) DEFAULT 'by default', price DECIMAL(10,2) DEFAULT 1.50, ratio DOUBLE DEFAULT 0.1, raw BLOB, day DATE)`,
          "INSERT INTO pages (lang, slug, body, made, price, ratio, raw, day) VALUES ('en', 'home', 'home', 'by hand', 9999999.99, 0.30000000000000004, x'00FF', '2026-01-02'), ('en', 'about', 'about', NULL, NULL, NULL, NULL, NULL)",
        ].map((statement) => (engine === 'sqlite' && statement.startsWith('CREATE') ? statement.replace('STORED', 'VIRTUAL') : statement)),
      );
      const before = await project.db.sql('SELECT *, HEX(raw) AS hex FROM pages ORDER BY id');
      for (const slug of ['home', 'about']) await project.repo.remove(at(slug));
      assert.equal((await project.run('sync', { allowMassChange: true })).rows.deleted, 2);
      await project.repo.git('checkout', '--', 'db');
      assert.equal((await project.run('sync')).rows.inserted, 2);
      assert.deepEqual(await project.db.sql('SELECT *, HEX(raw) AS hex FROM pages ORDER BY id'), before, engine);
      await project.write(at('new'), 'four');
      await project.run('sync');
      const [fresh] = await project.db.sql("SELECT size, made FROM pages WHERE slug = 'new'");
      assert.deepEqual([Number(fresh?.size), fresh?.made], [4, 'by default']);
    }
  });

  it('two mappings on one table, told apart by where, never touch each other', async (t) => {
    const project = await createProject(t, {
      engine: 'innodb',
      config: {
        root: 'db',
        mappings: [
          { ...pagesConfig.mappings[0], name: 'pages' },
          { ...pagesConfig.mappings[0], name: 'posts', where: { type: 'post' }, path: 'posts/{lang}/{slug}.html' },
        ],
      },
    });
    await addPages(project.db, { home: 'page home', about: 'about' });
    await project.db.sql("INSERT INTO pages (type, lang, slug, body) VALUES ('post', 'en', 'home', 'post home')");
    await project.run('sync');
    await project.write('db/posts/en/home.html', 'post edited');
    await project.repo.move(at('about'), 'db/posts/en/about.html');
    const report = await project.run('sync');
    assert.deepEqual(
      [exitOf(report), report.rows],
      [0, { written: 1, inserted: 1, deleted: 1, renamed: 0 }],
      'another mapping is a deletion and an addition',
    );
    assert.deepEqual(await project.db.sql('SELECT type, slug, body FROM pages ORDER BY type, slug'), [
      { type: 'page', slug: 'home', body: 'page home' },
      { type: 'post', slug: 'about', body: 'about' },
      { type: 'post', slug: 'home', body: 'post edited' },
    ]);
    await assertQuiet(project);
  });
});

describe('a primary key that SQLite lets be NULL', () => {
  const setUp = ['CREATE TABLE pages (id TEXT PRIMARY KEY, lang TEXT NOT NULL, slug TEXT NOT NULL, body TEXT)'];

  it('makes rows that are left alone by name, each of them', async (t) => {
    const project = await table(t, 'sqlite', [
      ...setUp,
      "INSERT INTO pages VALUES ('1', 'en', 'home', 'home'), (NULL, 'en', 'about', 'about'), (NULL, 'en', 'news', 'news')",
    ]);
    assert.deepEqual(Object.keys(await project.files()), [at('home')]);
    const report = await project.run('sync');
    assert.deepEqual(skips(report), { [at('about')]: 'EMPTY_NAME', [at('news')]: 'EMPTY_NAME' });
    assert.equal(exitOf(report), 1);
    await project.write(at('about'), 'of a file');
    assert.deepEqual(skips(await project.run('sync')), { [at('about')]: 'EMPTY_NAME', [at('news')]: 'EMPTY_NAME' });
    const rows = await project.db.sql('SELECT body FROM pages ORDER BY body');
    assert.deepEqual(rows, [{ body: 'about' }, { body: 'home' }, { body: 'news' }]);
  });

  it('is none a new file becomes a row with', async (t) => {
    const project = await table(t, 'sqlite', [...setUp, "INSERT INTO pages VALUES ('1', 'en', 'home', 'home')"]);
    for (const slug of ['a', 'b']) {
      await project.write(at(slug), slug);
      assert.match((await refusalOf(project.run('sync'))).details.join('\n'), /has no primary key/);
    }
    await project.write(at('home'), 'edited');
    const report = await project.run('sync');
    assert.deepEqual([report.rows.written, skips(report)], [1, { [at('a')]: 'REFUSED_BY_DATABASE', [at('b')]: 'REFUSED_BY_DATABASE' }]);
    assert.deepEqual(await project.db.sql('SELECT id, body FROM pages'), [{ id: '1', body: 'edited' }]);
    assert.deepEqual([await project.read(at('a')), await project.read(at('b'))], ['a', 'b']);
  });
});
