import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { SyncError } from '../../src/core/errors.ts';
import { parsePattern, renderPath } from '../../src/core/pattern.ts';
import { useMariadb } from '../helpers/mariadb.ts';
import { refusalOf } from '../helpers/scenario.ts';
import { memory } from '../helpers/scratch-tree.ts';
import { survived } from './cases.ts';
import { createBench, expectedOf, type Row, servers, sync } from './injection-bench.ts';
import { broken, hostile as all, identifiers, quotedIdentifiers } from './injection-corpus.ts';

process.env.TMPDIR = memory();
useMariadb();

for (const server of servers) {
  it(`hostile keys and texts on ${server.name}: only the meant row changes`, async (t) => {
    const bench = await createBench(t, server);
    const { project, db, text, everything, counting, tail } = bench;
    await db.sql(
      `CREATE TABLE pages (id ${counting}, type VARCHAR(60), lang VARCHAR(10), slug VARCHAR(191), body TEXT, note VARCHAR(60), updated_at INT NOT NULL DEFAULT 0)${tail}`,
    );
    const isHeld = await bench.held(all);
    const hostile = all.filter((_, index) => isHeld[index]);
    const unheld = all.filter((_, index) => !isHeld[index]);
    assert.equal(unheld.length > 0, server.charset === 'gbk', `${unheld.length} texts do not fit`);
    const type = "page' OR '1'='1";
    const insert = async (kind: string, lang: string, slug: string, body: string): Promise<void> =>
      void (await db.sql(
        `INSERT INTO pages (type, lang, slug, body, note) VALUES (${text(kind)}, '${lang}', ${text(slug)}, ${text(body)}, 'untouched')`,
      ));
    for (const [index, value] of hostile.entries()) {
      await insert(type, 'key', value, `body ${index}`);
      await insert(type, 'text', `t${index}`, value);
      // What a pattern, an empty condition or another type would also find.
      await insert('page', 'key', value, 'a neighbour');
    }
    const mapping = {
      name: 'pages',
      table: 'pages',
      path: 'pages/{lang}/{slug}.txt',
      content: 'body',
      where: { type },
      insert: { note: "'); DROP TABLE canary; -- " },
      touch: { updated_at: '@unixtime' },
    };
    await project.configure({ root: 'db', mappings: [mapping] });
    const top = project.repo.path;
    const expected = await expectedOf(bench);
    const { check } = expected;
    const change = (edit: (row: Row) => Row | null): void => {
      expected.tables.pages = expected.tables.pages!.flatMap<Row>((row) => (row.type === type ? (edit(row) ?? []) : row));
    };

    await sync(project, 'export');
    await check('export', hostile.length * 2);
    const files = await project.files();
    const pathOf = new Map(Object.entries(files).map(([path, body]) => [body, path]));
    for (const [index, value] of hostile.entries()) {
      const path = `db/pages/text/t${index}.txt`;
      assert.equal((await readFile(join(top, path))).toString(), value, `The file of the text ${JSON.stringify(value)} has its bytes`);
      assert.ok(pathOf.has(`body ${index}`), `The key ${JSON.stringify(value)} has a file`);
    }
    const keyPath = (index: number): string => join(top, pathOf.get(`body ${index}`)!);

    for (const [index, value] of hostile.entries()) {
      await writeFile(keyPath(index), `edited ${value}`);
      await writeFile(join(top, `db/pages/text/t${index}.txt`), `${value}${value}'`);
    }
    change((row) => ({ ...row, body: row.lang === 'key' ? `edited ${String(row.slug)}` : `${String(row.body)}${String(row.body)}'` }));
    await sync(project, 'import of edits');
    await check('import of edits', hostile.length * 2);

    const odd = (slug: unknown): boolean => hostile.indexOf(String(slug)) % 2 === 1;
    const gone = expected.tables.pages!.filter((row) => row.type === type && row.lang === 'key' && odd(row.slug));
    for (const [index] of hostile.entries()) if (index % 2 === 1) await project.repo.remove(keyPath(index));
    change((row) => (row.lang === 'key' && odd(row.slug) ? null : row));
    await sync(project, 'import of deletions');
    await check('import of deletions', gone.length);

    for (const [index, value] of hostile.entries()) if (index % 2 === 1) await writeFile(keyPath(index), value);
    const back = gone.map((row): Row => ({ ...row, body: String(row.slug as string) }));
    expected.tables.pages = [...expected.tables.pages!, ...back].toSorted((a, b) => Number(a.id) - Number(b.id));
    await sync(project, 'import of new files');
    await check('import of new files', gone.length);

    for (const [index] of hostile.entries()) {
      if (index % 2 === 1) continue;
      const path = keyPath(index);
      await project.repo.move(path, join(dirname(dirname(path)), 'moved', path.slice(dirname(path).length + 1)));
    }
    change((row) => (row.lang === 'key' && !odd(row.slug) ? { ...row, lang: 'moved' } : row));
    await sync(project, 'import of renames');
    await check('import of renames', hostile.length - gone.length);

    const fresh = hostile.map((value, index) => [value, keyPath(index).replace(/^(.*)\/[^/]*\/([^/]*)$/, '$1/new/$2')] as const);
    for (const [value, path] of fresh) await project.repo.write(path, `new ${value}`);
    await sync(project, 'import of additions');
    const added = (await everything()).pages!.filter(({ lang }) => lang === 'new');
    const wanted = hostile.map((value) => ({ type, lang: 'new', slug: value, body: `new ${value}`, note: mapping.insert.note }));
    const bySlug = (a: Row, b: Row): number => (String(a.slug) < String(b.slug) ? -1 : 1);
    assert.deepEqual(
      added.map(({ id: _id, ...row }) => row).toSorted(bySlug),
      wanted.toSorted(bySlug),
      'import of additions: a new row is not what it has to be',
    );
    expected.tables.pages = [...expected.tables.pages!, ...added];
    await check('import of additions', hostile.length);

    // What is no text for the column is refused by name, whatever a byte of it could be taken for.
    const texts = [...broken, ...unheld.map((value) => Buffer.from(value))];
    const refused = texts.flatMap((bytes, index) => [
      { path: `db/pages/text/t${index}.txt`, bytes },
      { path: `db/pages/text/broken${index}.txt`, bytes },
    ]);
    for (const { path, bytes } of refused) await project.write(path, bytes);
    const unnamed = unheld.map((value) => {
      const rendered = renderPath(parsePattern(mapping.path), { lang: 'new', slug: value });
      assert.ok('path' in rendered, `the name ${JSON.stringify(value)} has a path`);
      return { path: `db/${rendered.path}`, bytes: Buffer.from('its name does not fit') };
    });
    for (const { path, bytes } of unnamed) await project.write(path, bytes);
    const report = await project.run('sync', { allowMassChange: true }).catch((error: unknown) => {
      // Where the database itself refused the last of them, nothing else is left to do.
      assert.ok(error instanceof SyncError && error.code === 'VERIFY', `import of what does not fit: ${String(error)}`);
      return null;
    });
    for (const { path, bytes } of [...refused, ...unnamed]) {
      if (report)
        assert.ok(
          report.skipped.some((skip) => skip.path === path),
          `"${path}" does not fit, and is not named`,
        );
      assert.ok((await readFile(join(top, path))).equals(bytes), `"${path}" is as it was`);
    }
    await check('import of what does not fit', refused.length + unnamed.length);
    const count = expected.cases();
    survived(t, { cases: count, of: count, detail: `${hostile.length} names and texts, 6 operations, ${texts.length} refused` });
  });

  it(`hostile names of tables and columns on ${server.name}: only the meant cell changes`, async (t) => {
    const { project, db, id, everything } = await createBench(t, server);
    const key = server.args === null ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY';
    const names = identifiers.map((name, index) => ({
      name,
      table: `T${name}`,
      bystander: quotedIdentifiers[index % quotedIdentifiers.length]!,
    }));
    for (const { name, table, bystander } of names) {
      const columns = ['c', 'u', 'w', 'i'].map((letter) => `${id(`${letter}${name}`)} VARCHAR(200)`);
      await db.sql(
        `CREATE TABLE ${id(table)} (id ${key}, slug VARCHAR(60), ${columns.join(', ')}, ${id(bystander)} VARCHAR(20), b VARCHAR(20))`,
      );
      for (const slug of ['one', 'two', 'three'])
        await db.sql(
          `INSERT INTO ${id(table)} (slug, ${id(`c${name}`)}, ${id(`w${name}`)}, ${id(bystander)}, b) VALUES ('${slug}', 'text of ${slug}', '${slug === 'three' ? 'other' : 'page'}', 'kept', 'kept')`,
        );
    }
    await project.configure({
      root: 'db',
      mappings: names.map(({ name, table }, index) => ({
        name: `m${index}`,
        table,
        path: `m${index}/{slug}.txt`,
        content: `c${name}`,
        where: { [`w${name}`]: 'page' },
        insert: { [`i${name}`]: 'made' },
        touch: { [`u${name}`]: 'touched' },
      })),
    });
    const expected = await everything();
    let count = 0;
    const check = async (what: string): Promise<void> => {
      count += names.length;
      assert.deepEqual(await everything(), expected, `${what}: something else than the meant cells changed`);
    };
    const rowOf = (table: string, slug: string): Row => expected[table]!.find((row) => row.slug === slug)!;
    await sync(project, 'export');
    await check('export');
    for (const [index, { name, table }] of names.entries()) {
      assert.equal(await project.read(`db/m${index}/one.txt`), 'text of one', `The table ${JSON.stringify(table)} is exported`);
      await project.write(`db/m${index}/one.txt`, 'edited');
      Object.assign(rowOf(table, 'one'), { [`c${name}`]: 'edited', [`u${name}`]: 'touched' });
    }
    await sync(project, 'import of edits');
    await check('import of edits');
    const deleted = new Map(names.map(({ table }) => [table, rowOf(table, 'two')]));
    for (const [index, { table }] of names.entries()) {
      await project.repo.remove(`db/m${index}/two.txt`);
      expected[table] = expected[table]!.filter(({ slug }) => slug !== 'two');
    }
    await sync(project, 'import of deletions');
    await check('import of deletions');
    // The whole row comes back, also the columns no configuration names.
    for (const [index, { name, table }] of names.entries()) {
      await project.write(`db/m${index}/two.txt`, 'back');
      const row = { ...deleted.get(table)!, [`c${name}`]: 'back', [`u${name}`]: 'touched' };
      expected[table] = [...expected[table]!, row].toSorted((a, b) => Number(a.id) - Number(b.id));
    }
    await sync(project, 'import of new files');
    await check('import of new files');
    for (const [index] of names.entries()) await project.write(`db/m${index}/four.txt`, 'new');
    await sync(project, 'import of additions');
    for (const { name, table, bystander } of names) {
      const rest = { id: '4', slug: 'four', [bystander]: null, b: null };
      expected[table]!.push({ ...rest, [`c${name}`]: 'new', [`u${name}`]: 'touched', [`w${name}`]: 'page', [`i${name}`]: 'made' });
    }
    await check('import of additions');
    survived(t, { cases: count, of: count, detail: `${names.length} tables, 5 operations` });
  });

  it(`names that hold a quote of names are refused in a configuration on ${server.name}, and nothing changes`, async (t) => {
    const { project, db, id, everything } = await createBench(t, server);
    // They are all there, so that nothing but their names is wrong.
    const columns = ['id INT PRIMARY KEY', 'body VARCHAR(20)', 'note VARCHAR(20)'];
    const all = [...columns, ...quotedIdentifiers.map((name) => `${id(name)} VARCHAR(20)`)].join(', ');
    await db.sql(`CREATE TABLE has (${all})`);
    for (const name of quotedIdentifiers) await db.sql(`CREATE TABLE ${id(name)} (${columns.join(', ')})`);
    const before = await everything();
    let count = 0;
    for (const name of quotedIdentifiers) {
      const plain = { name: 'm', table: 'has', path: '{note}.txt', content: 'body' };
      for (const over of [
        { table: name },
        { content: name },
        { where: { [name]: 'alive' } },
        { insert: { [name]: 'x' } },
        { touch: { [name]: 'x' } },
        { lookups: { note: { column: 'note', table: name, key: 'id', name: 'body' } } },
        { lookups: { note: { column: name, table: 'canary', key: 'id', name: 'body' } } },
      ]) {
        count += 1;
        const error = await refusalOf(project.configure({ root: 'db', mappings: [{ ...plain, ...over }] }).then(() => project.run('sync')));
        assert.equal(error.code, 'CONFIG', `${JSON.stringify(over)} is refused`);
        assert.deepEqual(await everything(), before, `${JSON.stringify(over)} changed something`);
      }
    }
    survived(t, { cases: count, of: count });
  });
}
