import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { createProject, done, type Engine, exitOf, nothing, type Project } from '../helpers/project.ts';
import { addPages, assertQuiet, at, bodies, conflicts, refusalOf, skips } from '../helpers/scenario.ts';

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

async function pages(t: TestContext, engine: Engine): Promise<Project> {
  const project = await createProject(t, { engine });
  await addPages(project.db, { home: 'home', about: 'about', news: 'news' });
  await project.run('sync');
  return project;
}

/** A trigger on updates of `home`, in the words of each database. */
async function onUpdate(project: Project, what: 'changes' | 'refuses', slug = 'home'): Promise<void> {
  const { engine } = project.db;
  if (engine === 'sqlite') {
    const action = what === 'changes' ? `UPDATE pages SET body = body || '!' WHERE id = new.id` : "SELECT RAISE(ABORT, 'not this one')";
    await project.db.sql(
      `CREATE TRIGGER t AFTER UPDATE OF body ON pages WHEN new.slug = '${slug}' AND new.body NOT LIKE '%!' BEGIN ${action}; END`,
    );
  } else {
    const action =
      what === 'changes' ? "SET new.body = CONCAT(new.body, '!')" : "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not this one'";
    await project.db.sql(`CREATE TRIGGER t BEFORE UPDATE ON pages FOR EACH ROW IF new.slug = '${slug}' THEN ${action}; END IF`);
  }
}

describe('a trigger', () => {
  for (const engine of ['sqlite', 'innodb', 'myisam'] as const) {
    it(`that changes the value, on ${engine}: the item is refused by name and as before, the others arrive`, async (t) => {
      const project = await pages(t, engine);
      await onUpdate(project, 'changes');
      for (const slug of ['home', 'about']) await project.write(at(slug), `${slug} edited`);
      const report = await project.run('sync');
      assert.deepEqual(
        [skips(report), exitOf(report), report.rows.written],
        [{ [at('home')]: 'CHANGED_BY_DATABASE' }, 1, 1],
        JSON.stringify(report),
      );
      const rows = await bodies(project.db);
      assert.equal(rows.about, 'about edited');
      // Without transactions the old text is put back by another update, which this trigger changes again.
      if (engine !== 'myisam') assert.equal(rows.home, 'home');
      assert.equal(await project.read(at('home')), 'home edited');
    });

    it(`that refuses, on ${engine}: the item is refused by name, the others arrive`, async (t) => {
      const project = await pages(t, engine);
      await onUpdate(project, 'refuses');
      for (const slug of ['home', 'about']) await project.write(at(slug), `${slug} edited`);
      const report = await project.run('sync');
      assert.deepEqual([skips(report), exitOf(report)], [{ [at('home')]: 'REFUSED_BY_DATABASE' }, 1]);
      assert.match(report.skipped[0]?.message ?? '', /not this one/);
      assert.deepEqual(await bodies(project.db), { home: 'home', about: 'about edited', news: 'news' });
      await project.db.sql('DROP TRIGGER t');
      assert.equal((await project.run('sync')).rows.written, 1);
      await assertQuiet(project);
    });
  }

  it('that stands in the way of the only item fails the command and changes nothing', async (t) => {
    for (const engine of ['sqlite', 'innodb'] as const) {
      for (const what of ['changes', 'refuses'] as const) {
        const project = await pages(t, engine);
        await onUpdate(project, what);
        await project.write(at('home'), 'home edited');
        const error = await refusalOf(project.run('sync'));
        assert.deepEqual([error.code, error.exitCode], ['VERIFY', 5]);
        assert.match(error.details.join('\n'), /home/);
        assert.deepEqual(await bodies(project.db), { home: 'home', about: 'about', news: 'news' });
        await project.db.sql('DROP TRIGGER t');
        assert.equal((await project.run('sync')).rows.written, 1);
      }
    }
  });

  it('that writes a column the tool does not know is no reason to refuse', async (t) => {
    const project = await pages(t, 'innodb');
    await project.db.sql("CREATE TRIGGER t BEFORE UPDATE ON pages FOR EACH ROW SET new.note = 'stamped'");
    await project.write(at('home'), 'edited');
    assert.equal(exitOf(await project.run('sync')), 0);
    await assertQuiet(project);
  });
});

describe('constraints', () => {
  it('a CHECK refuses the item alone', async (t) => {
    for (const engine of ['sqlite', 'innodb'] as const) {
      const id = engine === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY';
      const project = await table(t, engine, [
        `CREATE TABLE pages (id ${id}, lang VARCHAR(10), slug VARCHAR(60), body TEXT, CHECK (body <> 'forbidden'))`,
        "INSERT INTO pages (lang, slug, body) VALUES ('en', 'home', 'home'), ('en', 'about', 'about')",
      ]);
      await project.write(at('home'), 'forbidden');
      await project.write(at('new'), 'forbidden');
      await project.write(at('about'), 'fine');
      const report = await project.run('sync');
      assert.deepEqual([skips(report), exitOf(report)], [{ [at('home')]: 'REFUSED_BY_DATABASE', [at('new')]: 'REFUSED_BY_DATABASE' }, 1]);
      assert.deepEqual(await bodies(project.db), { home: 'home', about: 'fine' });
    }
  });

  it('a unique index that ignores case and accents refuses the second spelling by name', async (t) => {
    const project = await table(t, 'innodb', [
      'CREATE TABLE pages (id INT AUTO_INCREMENT PRIMARY KEY, lang VARCHAR(10), slug VARCHAR(60), body TEXT, UNIQUE (lang, slug)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci',
      "INSERT INTO pages (lang, slug, body) VALUES ('en', 'cafe', 'cafe'), ('en', 'about', 'about')",
    ]);
    await project.write(at('café'), 'with an accent');
    await project.write(at('new'), 'new');
    const report = await project.run('sync');
    assert.deepEqual([skips(report), exitOf(report), report.rows.inserted], [{ [at('café')]: 'REFUSED_BY_DATABASE' }, 1, 1]);
    assert.equal((await bodies(project.db)).cafe, 'cafe');
    await project.repo.move(at('cafe'), at('Cafe'));
    await project.repo.remove(at('café'));
    assert.equal((await project.run('sync')).rows.renamed, 1);
    assert.ok('Cafe' in (await bodies(project.db)));
    await assertQuiet(project);
  });

  it('rows that others reference with CASCADE or SET NULL are not deleted; with RESTRICT the database refuses', async (t) => {
    for (const engine of ['sqlite', 'innodb'] as const) {
      for (const [action, code] of [
        ['CASCADE', 'REFERENCED'],
        ['SET NULL', 'REFERENCED'],
        ['RESTRICT', null],
      ] as const) {
        const id = engine === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY';
        const project = await table(t, engine, [
          `CREATE TABLE pages (id ${id}, lang VARCHAR(10), slug VARCHAR(60), body TEXT)`,
          `CREATE TABLE comments (cid ${id}, page INT, CONSTRAINT fk FOREIGN KEY (page) REFERENCES pages (id) ON DELETE ${action})`,
          "INSERT INTO pages (lang, slug, body) VALUES ('en', 'home', 'home'), ('en', 'about', 'about'), ('en', 'news', 'news')",
          'INSERT INTO comments (page) VALUES (1)',
        ]);
        await project.repo.remove(at('home'));
        await project.repo.remove(at('about'));
        const report = await project.run('sync');
        assert.deepEqual([exitOf(report), report.rows.deleted], [1, 1], `${engine} ${action}`);
        const found = skips(report)[at('home')];
        assert.ok(code ? found === code : found === 'REFERENCED' || found === 'REFUSED_BY_DATABASE', `${engine} ${action}: ${found}`);
        assert.deepEqual(await bodies(project.db), { home: 'home', news: 'news' });
        assert.deepEqual(
          (await project.db.sql('SELECT page FROM comments')).map(({ page }) => Number(page)),
          [1],
        );
      }
    }
  });

  it('a name that others reference is not changed where they would lose it', async (t) => {
    for (const [engine, action, code] of [
      ['sqlite', 'CASCADE', 'REFERENCED'],
      ['innodb', 'SET NULL', 'REFERENCED'],
      ['innodb', 'CASCADE', undefined],
    ] as const) {
      const id = engine === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY';
      const project = await table(t, engine, [
        `CREATE TABLE pages (id ${id}, lang VARCHAR(10), slug VARCHAR(60) UNIQUE, body TEXT)`,
        `CREATE TABLE links (page VARCHAR(60), CONSTRAINT fk FOREIGN KEY (page) REFERENCES pages (slug) ON UPDATE ${action})`,
        "INSERT INTO pages (lang, slug, body) VALUES ('en', 'home', 'home'), ('en', 'about', 'about')",
        "INSERT INTO links (page) VALUES ('home')",
      ]);
      await project.repo.move(at('home'), at('start'));
      await project.repo.move(at('about'), at('imprint'));
      const dry = await project.run('sync', { dryRun: true });
      const report = await project.run('sync');
      assert.deepEqual([dry.skipped, done(dry)], [report.skipped, done(report)], `${engine} ${action}`);
      assert.deepEqual(Object.values(skips(report)), code ? [code] : [], `${engine} ${action}`);
      const [link] = await project.db.sql('SELECT page FROM links');
      const { about: _, imprint, ...rest } = await bodies(project.db);
      assert.deepEqual([imprint, rest, link?.page], ['about', { [code ? 'home' : 'start']: 'home' }, code ? 'home' : 'start']);
    }
  });

  it('a row that others reference since is not deleted by an undo either, which takes back the rest', async (t) => {
    for (const engine of ['sqlite', 'innodb'] as const) {
      const id = engine === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY';
      const project = await table(t, engine, [
        `CREATE TABLE pages (id ${id}, lang VARCHAR(10), slug VARCHAR(60), body TEXT)`,
        `CREATE TABLE comments (cid ${id}, page INT, CONSTRAINT fk FOREIGN KEY (page) REFERENCES pages (id) ON DELETE CASCADE)`,
        "INSERT INTO pages (lang, slug, body) VALUES ('en', 'home', 'home')",
      ]);
      await project.write(at('home'), 'edited');
      await project.write(at('new'), 'new');
      await project.run('sync');
      await project.db.sql("INSERT INTO comments (page) SELECT id FROM pages WHERE slug = 'new'");
      const report = await project.undo();
      assert.deepEqual(
        [skips(report), conflicts(report), report.rows],
        [{ [at('new')]: 'REFERENCED' }, [], { ...nothing.rows, written: 1 }],
      );
      assert.deepEqual(await bodies(project.db), { home: 'home', new: 'new' });
      assert.equal((await project.db.sql('SELECT cid FROM comments')).length, 1, engine);
    }
  });

  it('an item that is refused keeps no other one from its base', async (t) => {
    const project = await table(t, 'sqlite', [
      'CREATE TABLE pages (id INTEGER PRIMARY KEY, lang TEXT, slug TEXT, body TEXT)',
      "INSERT INTO pages (lang, slug, body) VALUES ('en', 'home', 'home'), ('en', 'about', 'about')",
      "CREATE TRIGGER t BEFORE INSERT ON pages WHEN new.slug = 'new' BEGIN SELECT RAISE(ABORT, 'not new'); END",
    ]);
    await project.with(({ state }) => state.forgetBase());
    await project.write(at('new'), 'new');
    assert.equal((await refusalOf(project.run('sync'))).code, 'VERIFY');
    await project.write(at('home'), 'edited');
    const report = await project.run('sync');
    assert.deepEqual([conflicts(report), skips(report), report.rows.written], [[], { [at('new')]: 'REFUSED_BY_DATABASE' }, 1]);
  });

  it('a row without transactions that cannot step aside is named, and blocks nothing', async (t) => {
    const project = await table(
      t,
      'myisam',
      [
        'CREATE TABLE pages (id INT AUTO_INCREMENT PRIMARY KEY, lang CHAR(2), slug VARCHAR(60), body TEXT, UNIQUE (slug, lang)) ENGINE=MyISAM',
        "INSERT INTO pages (id, lang, slug, body) VALUES (10, 'en', 'home', 'english'), (11, 'de', 'home', 'german'), (12, 'fr', 'home', 'french')",
      ],
      { path: 'pages/{slug}/{lang}.html' },
    );
    const file = (lang: string): string => `db/pages/home/${lang}.html`;
    for (const [id, lang] of [
      [10, 'xx'],
      [11, 'en'],
      [10, 'de'],
    ] as const)
      await project.db.sql('UPDATE pages SET lang = ? WHERE id = ?', [lang, id]);
    await project.write(file('fr'), 'edited');
    const report = await project.resolve('file', 'db');
    assert.deepEqual(Object.values(skips(report)), ['REFUSED_BY_DATABASE', 'REFUSED_BY_DATABASE'], JSON.stringify(report));
    assert.equal((await project.db.sql('SELECT body FROM pages WHERE id = 12'))[0]?.body, 'edited');
    const langs = (await project.db.sql('SELECT lang FROM pages ORDER BY id')).map(({ lang }) => lang);
    assert.deepEqual(langs, ['de', 'en', 'fr']);
    await project.write(file('fr'), 'edited again');
    await project.run('sync');
    assert.equal((await project.db.sql('SELECT body FROM pages WHERE id = 12'))[0]?.body, 'edited again');
  });

  it('what the database does not take back is named, and the rest is taken back', async (t) => {
    const project = await table(t, 'sqlite', [
      'CREATE TABLE pages (id INTEGER PRIMARY KEY, lang TEXT, slug TEXT, body TEXT)',
      "INSERT INTO pages (lang, slug, body) VALUES ('en', 'home', 'home'), ('en', 'about', 'about')",
    ]);
    await project.write(at('home'), 'home edited');
    await project.write(at('about'), 'about edited');
    await project.run('sync');
    await project.db.sql("CREATE TRIGGER t BEFORE UPDATE ON pages WHEN new.body = 'home' BEGIN SELECT RAISE(ABORT, 'not home'); END");
    const report = await project.undo();
    assert.deepEqual([skips(report), conflicts(report), report.rows.written], [{ [at('home')]: 'REFUSED_BY_DATABASE' }, [], 1]);
    assert.deepEqual(await bodies(project.db), { home: 'home edited', about: 'about' });
    assert.equal(await project.read(at('home')), 'home edited');
  });

  it('a NOT NULL column without a default refuses the new row by name, unless the mapping fills it', async (t) => {
    for (const engine of ['sqlite', 'innodb'] as const) {
      const id = engine === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY';
      const project = await table(t, engine, [
        `CREATE TABLE pages (id ${id}, lang VARCHAR(10), slug VARCHAR(60), body TEXT, owner INT NOT NULL, kind VARCHAR(9) NOT NULL DEFAULT 'plain')`,
        "INSERT INTO pages (lang, slug, body, owner, kind) VALUES ('en', 'home', 'home', 7, 'fancy')",
      ]);
      await project.write(at('new'), 'new');
      await project.write(at('home'), 'home edited');
      const report = await project.run('sync');
      assert.deepEqual([skips(report)[at('new')], report.rows.written], ['REFUSED_BY_DATABASE', 1], engine);
      await project.configure({ root: 'db', mappings: [{ ...mapping, insert: { owner: 3 } }] });
      await project.run('sync');
      assert.deepEqual(
        (await project.db.sql('SELECT slug, owner, kind FROM pages ORDER BY id')).map((row) => ({ ...row, owner: Number(row.owner) })),
        [
          { slug: 'home', owner: 7, kind: 'fancy' },
          { slug: 'new', owner: 3, kind: 'plain' },
        ],
      );
      await assertQuiet(project);
    }
  });
});

describe('a NULL text', () => {
  it('reads as empty and is not written until it is edited; an undo and a deletion bring NULL back', async (t) => {
    for (const engine of ['sqlite', 'innodb', 'myisam'] as const) {
      const project = await createProject(t, { engine });
      await addPages(project.db, { home: 'home', about: 'about', news: 'news' });
      await project.db.sql("UPDATE pages SET body = NULL WHERE slug = 'home'");
      const report = await project.run('sync');
      assert.equal(exitOf(report), 0);
      assert.equal(await project.read(at('home')), '');
      await assertQuiet(project);
      assert.equal((await bodies(project.db)).home, null);
      await project.write(at('home'), 'written');
      await project.run('sync');
      assert.equal((await bodies(project.db)).home, 'written');
      await project.undo();
      assert.equal((await bodies(project.db)).home, null, engine);
      await project.write(at('home'), '');
      await project.run('sync');
      await project.repo.remove(at('home'));
      assert.equal((await project.run('sync')).rows.deleted, 1);
      await project.undo();
      assert.equal((await bodies(project.db)).home, null, engine);
    }
  });
});

describe('a trigger that makes the database pass an update by', () => {
  it('holds up its own row only, which is named', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { home: 'home', about: 'about', news: 'news' });
    await project.run('sync');
    await project.db.sql("CREATE TRIGGER t BEFORE UPDATE ON pages WHEN old.slug = 'home' BEGIN SELECT RAISE(IGNORE); END");
    for (const slug of ['home', 'about', 'news']) await project.write(at(slug), `${slug}, edited`);
    const report = await project.run('sync', { allowMassChange: true });
    assert.deepEqual(skips(report), { [at('home')]: 'MOVED' });
    assert.deepEqual(await bodies(project.db), { home: 'home', about: 'about, edited', news: 'news, edited' });
  });
});

describe('a character that Unicode lacks', () => {
  it('is neither lost nor taken for another one: its row is named and stays', async (t) => {
    const project = await table(t, 'innodb', [
      `CREATE TABLE pages (id INT AUTO_INCREMENT PRIMARY KEY, lang VARCHAR(10) NOT NULL, slug VARCHAR(60) NOT NULL,
        body TEXT CHARACTER SET sjis, note VARCHAR(20) CHARACTER SET sjis)`,
      "INSERT INTO pages (lang, slug, body, note) VALUES ('en', 'home', 'home', ''), ('en', 'odd', _sjis X'6F648740', ''), ('en', 'noted', 'noted', _sjis X'8740')",
    ]);
    assert.deepEqual(await project.files(), { [at('home')]: 'home', [at('noted')]: 'noted' });
    const report = await project.run('sync');
    assert.deepEqual([skips(report), exitOf(report)], [{ [at('odd')]: 'INVALID_TEXT' }, 1]);
    for (const slug of ['home', 'noted']) await project.write(at(slug), `${slug}, edited`);
    assert.equal((await project.run('sync')).rows.written, 2, 'the others go on');
    await project.write(at('odd'), 'of a file');
    assert.deepEqual(conflicts(await project.run('sync')), [at('odd')]);
    const stored = async (): Promise<unknown> => project.db.sql('SELECT slug, HEX(body) AS body, HEX(note) AS note FROM pages ORDER BY id');
    const hex = (text: string): string => Buffer.from(text).toString('hex').toUpperCase();
    assert.deepEqual(await stored(), [
      { slug: 'home', body: hex('home, edited'), note: '' },
      { slug: 'odd', body: '6F648740', note: '' },
      { slug: 'noted', body: hex('noted, edited'), note: '8740' },
    ]);
  });
});
