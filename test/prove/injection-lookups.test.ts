import assert from 'node:assert/strict';
import { basename, dirname, join } from 'node:path';
import { it } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { memory } from '../helpers/scratch-tree.ts';
import { survived } from './cases.ts';
import { createBench, expectedOf, type Row, servers, sync } from './injection-bench.ts';
import { hostile as all } from './injection-corpus.ts';

process.env.TMPDIR = memory();
useMariadb();

/** The set whose name is nothing special. */
const PLAIN = 1_000;

for (const server of servers) {
  it(`hostile names of lookups, derived folders and constants on ${server.name}: only the meant row changes`, async (t) => {
    const bench = await createBench(t, server);
    const { project, db, text, counting, tail } = bench;
    const isHeld = await bench.held(all);
    const hostile = all.filter((_, index) => isHeld[index]);
    const constants = ["it's", '"; DROP TABLE canary; -- ', "\\'; DROP TABLE canary; -- ", '?', '@x', "' OR '1'='1"];
    const columns = (letter: string): string[] => constants.map((_, index) => `${letter}${index}`);
    const all30 = ['w', 'i', 't'].flatMap((letter) => columns(letter).map((name) => `${name} VARCHAR(30)`));
    await db.sql(`CREATE TABLE sets (id INT PRIMARY KEY, label VARCHAR(191))${tail}`);
    await db.sql(`CREATE TABLE pages (id ${counting}, sid INT, title VARCHAR(191), body TEXT, ${all30.join(', ')})${tail}`);
    const valuesOf = (letter: string): Record<string, string> =>
      Object.fromEntries(columns(letter).map((name, index) => [name, constants[index]!]));
    // A constant that begins with "@" is told from "@now" by a second one.
    const stampsOf = (letter: string): Record<string, string> =>
      Object.fromEntries(Object.entries(valuesOf(letter)).map(([name, value]) => [name, value.replace(/^@/, '@@')]));
    const insert = async (sid: number, title: string, body: string, where: readonly string[]): Promise<void> =>
      void (await db.sql(
        `INSERT INTO pages (sid, title, body, ${columns('w').join(', ')}) VALUES (${sid}, ${text(title)}, ${text(body)}, ${where.map(text).join(', ')})`,
      ));
    // Every other name is that of a row, the rest are fixed in the configuration.
    const idOf = (index: number): number => (index % 2 === 0 ? index + 1 : -index);
    await db.sql(`INSERT INTO sets VALUES (${PLAIN}, 'plain')`);
    for (const [index, name] of hostile.entries()) {
      if (index % 2 === 0) await db.sql(`INSERT INTO sets VALUES (${idOf(index)}, ${text(name)})`);
      const title = `t${hostile[(index + 7) % hostile.length]!}`;
      await insert(idOf(index), title, `body ${index}`, constants);
      // The same but for one of the constants.
      await insert(idOf(index), title, 'a neighbour', constants.with(index % constants.length, 'page'));
    }
    const fixed = Object.fromEntries(hostile.flatMap((name, index) => (index % 2 === 1 ? [[name, idOf(index)]] : [])));
    const mapping = {
      name: 'pages',
      table: 'pages',
      path: '{set}/{group}/{title}.txt',
      content: 'body',
      lookups: { set: { column: 'sid', table: 'sets', key: 'id', name: 'label', fixed } },
      derive: { group: { from: 'title', until: "'" } },
      where: valuesOf('w'),
      insert: stampsOf('i'),
      touch: stampsOf('t'),
    };
    await project.configure({ root: 'db', mappings: [mapping] });
    const expected = await expectedOf(bench);
    const { check } = expected;
    const isNeighbour = (row: Row): boolean => columns('w').some((name) => row[name] !== valuesOf('w')[name]);
    const change = (edit: (row: Row) => Row | null): void => {
      expected.tables.pages = expected.tables.pages!.flatMap<Row>((row) => (isNeighbour(row) ? row : (edit(row) ?? [])));
    };
    const indexOf = (row: Row): number => hostile.findIndex((_, index) => String(idOf(index)) === row.sid);

    await sync(project, 'export');
    await check('export', hostile.length);
    const found = new Map(Object.entries(await project.files()).map(([path, body]) => [body, path]));
    assert.equal(found.size, hostile.length, 'each row has a file of its own');
    const paths = hostile.map((_, index) => found.get(`body ${index}`)!);
    const setFolder = (path: string): string => path.split('/').slice(0, 2).join('/');
    assert.equal(new Set(paths.map(setFolder)).size, hostile.length, 'each name has a folder of its own');

    for (const [index, path] of paths.entries()) await project.write(path, `edited ${index}`);
    change((row) => ({ ...row, ...valuesOf('t'), body: `edited ${indexOf(row)}` }));
    await sync(project, 'import of edits');
    await check('import of edits', hostile.length);

    const isOdd = (index: number): boolean => index % 4 > 1;
    const gone = expected.tables.pages!.filter((row) => !isNeighbour(row) && isOdd(indexOf(row)));
    for (const [index, path] of paths.entries()) if (isOdd(index)) await project.repo.remove(path);
    change((row) => (isOdd(indexOf(row)) ? null : row));
    await sync(project, 'import of deletions');
    await check('import of deletions', gone.length);

    for (const [index, path] of paths.entries()) if (isOdd(index)) await project.write(path, `back ${index}`);
    const back = gone.map((row): Row => ({ ...row, body: `back ${indexOf(row)}` }));
    expected.tables.pages = [...expected.tables.pages!, ...back].toSorted((a, b) => Number(a.id) - Number(b.id));
    await sync(project, 'import of new files');
    await check('import of new files', gone.length);

    for (const [index, path] of paths.entries()) {
      if (isOdd(index)) continue;
      await project.repo.move(path, join('db/plain', basename(dirname(path)), basename(path)));
    }
    change((row) => (isOdd(indexOf(row)) ? row : { ...row, sid: String(PLAIN) }));
    await sync(project, 'import of moves to another set');
    await check('import of moves to another set', hostile.length - gone.length);

    for (const path of paths) await project.write(join(setFolder(path), 'added/added.txt'), 'added');
    await sync(project, 'import of additions');
    const added = ((await bench.everything()).pages ?? []).filter(({ title }) => title === 'added');
    assert.deepEqual(
      added.map(({ id: _id, ...row }) => row).toSorted((a, b) => Number(a.sid) - Number(b.sid)),
      hostile
        .map((_, index) => ({
          sid: String(idOf(index)),
          title: 'added',
          body: 'added',
          ...valuesOf('w'),
          ...valuesOf('i'),
          ...valuesOf('t'),
        }))
        .toSorted((a, b) => Number(a.sid) - Number(b.sid)),
      'import of additions: a new row is not what it has to be',
    );
    expected.tables.pages = [...expected.tables.pages, ...added].toSorted((a, b) => Number(a.id) - Number(b.id));
    await check('import of additions', hostile.length);
    const count = expected.cases();
    survived(t, { cases: count, of: count, detail: `${hostile.length} names, 6 operations` });
  });
}
