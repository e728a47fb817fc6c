import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { mariadb, startMariadb, useMariadb } from '../helpers/mariadb.ts';
import { createProject, exitOf, pagesConfig, type Project, projectOf } from '../helpers/project.ts';
import { createRepository } from '../helpers/repository.ts';
import { addPages, assertQuiet, at, bodies, conflicts, rowOf, setBody, skips } from '../helpers/scenario.ts';

useMariadb();

const bytesOf = async (project: Project, slug: string): Promise<string> => {
  const [row] = await project.db.sql(`SELECT HEX(body) AS hex FROM pages WHERE slug = '${slug}'`);
  return Buffer.from(String(row?.hex), 'hex').toString('latin1');
};
const latin1 = (text: string) => Uint8Array.from(Buffer.from(text, 'latin1'));

let lenient: ReturnType<typeof mariadb> | undefined;

/** A server with these options and a table whose text column holds what `column` says. */
async function onServer(t: TestContext, strict: boolean, column: string): Promise<Project> {
  const server = await (strict ? mariadb() : (lenient ??= startMariadb({ args: ['--sql-mode='] })));
  const database = await server.createDatabase();
  await database.sql(
    `CREATE TABLE pages (id INT AUTO_INCREMENT PRIMARY KEY, type VARCHAR(20), lang VARCHAR(10), slug VARCHAR(60) CHARACTER SET utf8mb3, body ${column}, note VARCHAR(50), updated_at INT DEFAULT 0) ENGINE=InnoDB`,
  );
  const repo = await createRepository();
  t.after(() => repo.cleanup());
  const project = projectOf(repo, { engine: 'innodb', url: database.url, sql: (text, values = []) => database.sql(text, values) });
  await project.configure(pagesConfig);
  await addPages(project.db, { home: 'home', about: 'about', news: 'news' });
  await project.run('sync');
  return project;
}

describe('a row that was deleted and comes back', () => {
  it('has CRLF again where it had, and is not stamped for it', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    const [mapping] = pagesConfig.mappings;
    await project.configure({ ...pagesConfig, mappings: [{ ...mapping, newlines: 'lf' }] });
    await addPages(project.db, { home: 'one\r\ntwo\r\n', about: 'about', news: 'news' });
    await project.run('sync');
    await project.repo.remove(at('home'));
    assert.equal((await project.run('sync')).rows.deleted, 1);
    await project.write(at('home'), 'one\ntwo\n');
    assert.equal((await project.run('sync')).rows.inserted, 1);
    const row = await rowOf(project.db, 'home');
    assert.deepEqual([row?.body, row?.updated_at], ['one\r\ntwo\r\n', 7]);
    await assertQuiet(project);
  });

  it('comes back without a column that its table has no longer', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { home: 'home', about: 'about', news: 'news' });
    await project.run('sync');
    await project.repo.remove(at('home'));
    const { txid } = await project.run('sync');
    await project.db.sql('ALTER TABLE pages DROP COLUMN note');
    await project.undo(txid ?? '');
    assert.deepEqual(await bodies(project.db), { home: 'home', about: 'about', news: 'news' });
    await project.run('sync');
    await project.write(at('home'), 'home');
    await project.write(at('about'), 'about edited');
    const report = await project.run('sync');
    assert.deepEqual([report.rows.inserted, report.rows.written, conflicts(report)], [1, 1, []]);
    await assertQuiet(project);
  });
});

describe('a text the column cannot hold', () => {
  for (const strict of [true, false]) {
    for (const [what, column, text, code] of [
      ['an emoji into utf8mb3', 'TEXT CHARACTER SET utf8mb3', 'smile 🙂', 'INVALID_TEXT'],
      ['70,000 bytes into text', 'TEXT CHARACTER SET utf8mb4', 'ü'.repeat(35_000), 'TOO_LONG'],
      ['a Chinese text into latin1', 'TEXT CHARACTER SET latin1', '漢字', 'INVALID_TEXT'],
      ['seven characters into varchar(6)', 'VARCHAR(6) CHARACTER SET utf8mb4', 'sevenly', 'TOO_LONG'],
    ] as const) {
      it(`refuses ${what} by name on a ${strict ? 'strict' : 'lenient'} server; the others arrive`, async (t) => {
        const project = await onServer(t, strict, column);
        await project.write(at('home'), text);
        await project.write(at('new'), text);
        await project.write(at('about'), 'fits');
        await project.write('db/pages/en/emoji 🙂.html', 'text');
        const report = await project.run('sync');
        const found = skips(report);
        assert.deepEqual([found[at('home')], found[at('new')]], [code, code]);
        assert.ok(found['db/pages/en/emoji 🙂.html'], 'a key that its column cannot hold is refused too');
        assert.equal(exitOf(report), 1);
        assert.deepEqual(await bodies(project.db), { home: 'home', about: 'fits', news: 'news' });
        assert.equal(await project.read(at('home')), text);
        assert.equal(Object.keys(skips(await project.run('sync'))).length, 3, 'nothing has changed the next time');
      });
    }
  }
});

describe('bytes', () => {
  it('are what is compared: NUL, lone CR, BOM, CRLF and trailing spaces arrive as they are', async (t) => {
    for (const engine of ['sqlite', 'innodb', 'myisam'] as const) {
      const project = await createProject(t, { engine });
      const texts = ['a\0b', 'a\rb', '\uFEFFbom', 'a\r\nb\r\n', 'trail  ', '\n', '🙂 e\u0301 \u00E9', '\0', 'x\u2028y', '\\ %_ \'" `'];
      for (const [index, text] of texts.entries()) await project.write(at(`t${index}`), text);
      const report = await project.run('sync');
      assert.deepEqual([report.rows.inserted, exitOf(report)], [texts.length, 0], JSON.stringify(report.skipped));
      for (const [index, text] of texts.entries())
        assert.equal(await bytesOf(project, `t${index}`), Buffer.from(text).toString('latin1'), `${engine} ${JSON.stringify(text)}`);
      await assertQuiet(project);
      for (const index of texts.keys()) await project.repo.remove(at(`t${index}`));
      await project.resolve('row', 'db');
      for (const [index, text] of texts.entries()) assert.equal(await project.read(at(`t${index}`)), text);
      await setBody(project.db, 't4', 'trail ');
      await project.run('sync');
      assert.equal(await project.read(at('t4')), 'trail ');
    }
  });

  it('that are no UTF-8 in a file are refused by name and stay', async (t) => {
    for (const engine of ['sqlite', 'innodb'] as const) {
      const project = await createProject(t, { engine });
      await addPages(project.db, { home: 'home', about: 'about' });
      await project.run('sync');
      await project.repo.write(at('home'), latin1('caf\xE9'));
      await project.repo.write(at('about'), latin1('\xED\xA0\x80'));
      await project.write(at('fine'), 'fine');
      const report = await project.run('sync');
      assert.deepEqual(skips(report), { [at('about')]: 'INVALID_TEXT', [at('home')]: 'INVALID_TEXT' });
      assert.deepEqual(await bodies(project.db), { home: 'home', about: 'about', fine: 'fine' });
    }
  });

  it('that are no UTF-8 in a SQLite row are exported as they are and survive', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { home: 'home' });
    await project.db.sql("UPDATE pages SET body = CAST(x'636166E9' AS TEXT)");
    const report = await project.run('sync');
    assert.equal(exitOf(report), 0);
    await assertQuiet(project);
    assert.equal(await bytesOf(project, 'home'), 'caf\xE9');
  });

  it('of a binary column need not be UTF-8', async (t) => {
    const project = await createProject(t, {
      engine: 'innodb',
      setUp: async (db) => {
        await db.sql(
          'CREATE TABLE pages (id INT AUTO_INCREMENT PRIMARY KEY, type VARCHAR(20), lang VARCHAR(10), slug VARCHAR(60), body MEDIUMBLOB, updated_at INT DEFAULT 0)',
        );
      },
    });
    await project.repo.write(at('raw'), latin1('\xFF\x00\xFE\r\n'));
    assert.equal(exitOf(await project.run('sync')), 0);
    assert.equal(await bytesOf(project, 'raw'), '\xFF\x00\xFE\r\n');
    await assertQuiet(project);
  });
});

describe('newlines "lf"', () => {
  const config = { ...pagesConfig, mappings: [{ ...pagesConfig.mappings[0], newlines: 'lf' }] };

  it('show CRLF rows as LF files, and keep CRLF in the row after an import; mixed texts are exact', async (t) => {
    for (const engine of ['sqlite', 'innodb'] as const) {
      const project = await createProject(t, { engine, config });
      await addPages(project.db, { crlf: 'a\r\nb\r\n', lf: 'a\nb\n', mixed: 'a\r\nb\n', cr: 'a\rb\r\n' });
      const rows = await bodies(project.db);
      await project.run('sync');
      assert.deepEqual(await project.files(), {
        [at('cr')]: 'a\rb\r\n',
        [at('crlf')]: 'a\nb\n',
        [at('lf')]: 'a\nb\n',
        [at('mixed')]: 'a\r\nb\n',
      });
      await assertQuiet(project);
      assert.deepEqual(await bodies(project.db), rows);
      for (const slug of ['crlf', 'lf', 'mixed', 'cr']) await project.write(at(slug), `${await project.read(at(slug))}c\n`);
      assert.equal((await project.run('sync')).rows.written, 4);
      assert.deepEqual(await bodies(project.db), { crlf: 'a\r\nb\r\nc\r\n', lf: 'a\nb\nc\n', mixed: 'a\r\nb\nc\n', cr: 'a\rb\r\nc\n' });
      await assertQuiet(project);
      assert.deepEqual((await project.undo()).conflicts, []);
      assert.deepEqual(await bodies(project.db), rows);
    }
  });

  it('take a file that an editor saved with CRLF as unchanged', async (t) => {
    const project = await createProject(t, { engine: 'sqlite', config });
    await addPages(project.db, { home: 'a\nb\n' });
    await project.run('sync');
    await project.write(at('home'), 'a\r\nb\r\n');
    await assertQuiet(project);
    await setBody(project.db, 'home', 'a\nB\n');
    const report = await project.run('sync');
    assert.deepEqual([conflicts(report), report.files.written], [[], 1]);
    assert.equal(await project.read(at('home')), 'a\nB\n');
    await project.write(at('home'), 'one\r\ntwo\r\n');
    await project.run('sync');
    assert.equal((await bodies(project.db)).home, 'one\ntwo\n');
    await assertQuiet(project);
  });

  it('switched on and off change no row, and lose no edit', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    await addPages(project.db, { crlf: 'a\r\nb\r\n', edited: 'x\r\ny\r\n' });
    await project.run('sync');
    await project.write(at('edited'), 'x\r\nY\r\n');
    await project.configure(config);
    const on = await project.run('sync');
    assert.deepEqual(conflicts(on), []);
    assert.equal((await bodies(project.db)).edited, 'x\r\nY\r\n');
    await project.configure(pagesConfig);
    const off = await project.run('sync');
    assert.deepEqual(conflicts(off), []);
    assert.equal((await project.run('sync')).conflicts.length, 0);
    assert.deepEqual(await bodies(project.db), { crlf: 'a\r\nb\r\n', edited: 'x\r\nY\r\n' });
  });

  it('switched on find CRLF on both sides unchanged, and an edit of either one an edit', async (t) => {
    const project = await createProject(t, { engine: 'sqlite' });
    const old = { same: 'a\r\nb\r\n', row: 'c\r\nd\r\n', file: 'e\r\nf\r\n', both: 'g\r\nh\r\ni\r\n' };
    await addPages(project.db, old);
    await project.run('sync');
    await project.configure(config);
    await setBody(project.db, 'row', 'c\r\nD\r\n');
    await project.write(at('file'), 'e\nF\n');
    await setBody(project.db, 'both', 'G\r\nh\r\ni\r\n');
    await project.write(at('both'), 'g\r\nh\r\nI\r\n');
    const report = await project.run('sync');
    assert.deepEqual([conflicts(report), report.files.written, report.rows.written], [[at('both')], 1, 1]);
    assert.equal(await project.read(at('row')), 'c\nD\n');
    assert.equal(await project.read(at('same')), old.same);
    const merged = await project.resolve('merge', at('both'));
    assert.deepEqual(conflicts(merged), []);
    assert.deepEqual(await bodies(project.db), { ...old, row: 'c\r\nD\r\n', file: 'e\r\nF\r\n', both: 'G\r\nh\r\nI\r\n' });
    await assertQuiet(project);
    await project.repo.remove(at('same'));
    assert.equal((await project.run('sync')).rows.deleted, 1);
  });
});
