import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { SyncError } from '../../src/core/errors.ts';
import type { Report } from '../../src/runner/report.ts';
import { mariadb, startMariadb, useMariadb } from '../helpers/mariadb.ts';
import { createDatabase, type Database, type Engine, type Project, projectOf } from '../helpers/project.ts';
import { createRepository } from '../helpers/repository.ts';
import { refusalOf } from '../helpers/scenario.ts';
import { memory } from '../helpers/scratch-tree.ts';
import { full, survived } from './cases.ts';
import { type ColumnCase, mariadbColumns, sqliteColumns, values } from './columns-table.ts';

process.env.TMPDIR = memory();
useMariadb();

const BEFORE = 'before';
const cases = Object.entries(values);

interface Bench {
  project: Project;
  columns: readonly ColumnCase[];
  /** The bytes of all texts of a table, by name, over a connection of their own. */
  stored(column: ColumnCase): Promise<Map<string, Buffer | null>>;
  /** Stores bytes as the database takes them, behind the tool's back. */
  store(column: ColumnCase, name: string, bytes: Buffer): Promise<void>;
}

let lenient: ReturnType<typeof mariadb> | undefined;

async function databaseFor(engine: Engine, strict: boolean, beside: string): Promise<Database> {
  if (engine === 'sqlite') return createDatabase(engine, beside);
  const server = await (strict ? mariadb() : (lenient ??= startMariadb({ args: ['--sql-mode='] })));
  const database = await server.createDatabase();
  return { engine, url: database.url, sql: (text, found = []) => database.sql(text, found) };
}

async function createBench(t: TestContext, engine: Engine, strict: boolean): Promise<Bench> {
  const repo = await createRepository();
  t.after(() => repo.cleanup());
  const db = await databaseFor(engine, strict, repo.beside('columns.db'));
  const all = engine === 'sqlite' ? sqliteColumns : mariadbColumns;
  const columns = all.filter(({ needsTransactions }) => engine !== 'myisam' || !needsTransactions);
  const id = engine === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY';
  const tail = engine === 'sqlite' ? '' : ` ENGINE=${engine} DEFAULT CHARSET=utf8mb4`;
  for (const { name, ddl } of columns) {
    await db.sql(`CREATE TABLE c_${name} (id ${id}, slug VARCHAR(60), body ${ddl})${tail}`);
    for (const slug of [...cases.keys()].map((index) => `u${index}`).concat('nothing'))
      await db.sql(`INSERT INTO c_${name} (slug, body) VALUES ('${slug}', '${BEFORE}')`);
  }
  for (const { name, extra = [] } of columns) for (const one of extra) await db.sql(one.replaceAll('{table}', `c_${name}`));
  const project = projectOf(repo, db);
  const mappings = columns.map(({ name, newlines }) => {
    const mapping = { name, table: `c_${name}`, path: `${name}/{slug}.txt`, content: 'body', empty: 'allow' };
    return newlines ? { ...mapping, newlines } : mapping;
  });
  await project.configure({ root: 'db', mappings });
  return {
    project,
    columns,
    async stored({ name, read }) {
      const shown = engine === 'sqlite' ? 'hex(CAST(body AS BLOB))' : read === 'raw' ? 'HEX(body)' : 'HEX(CONVERT(body USING utf8mb4))';
      const rows = await db.sql(`SELECT slug, ${shown} AS shown, body IS NULL AS gone FROM c_${name}`);
      return new Map(rows.map(({ slug, shown: hex, gone }) => [String(slug), Number(gone) ? null : Buffer.from(String(hex), 'hex')]));
    },
    async store({ name, read }, slug, bytes) {
      const hex = `x'${bytes.toString('hex')}'`;
      const value =
        engine === 'sqlite'
          ? `CAST(${hex} AS ${read === 'raw' && name === 'blob' ? 'BLOB' : 'TEXT'})`
          : read === 'raw'
            ? hex
            : `CONVERT(${hex} USING utf8mb4)`;
      await db.sql(`UPDATE c_${name} SET body = ${value} WHERE slug = '${slug}'`);
    },
  };
}

const fileOf = (column: ColumnCase, slug: string): string => `db/${column.name}/${slug}.txt`;
const bytesOf = (project: Project, path: string): Promise<Buffer> => readFile(join(project.repo.path, path));
const show = (bytes: Buffer | null | undefined): string =>
  bytes ? `${bytes.length} bytes ${bytes.subarray(0, 12).toString('hex')}` : bytes === null ? 'NULL' : 'no row';

/** What a row has to hold after an import: the file's bytes, or what "lf" makes of them where the row had no CRLF. */
function expected(column: ColumnCase, file: Buffer): Buffer {
  const decoded = file.toString('latin1');
  const isCrlf = column.newlines === 'lf' && decoded.includes('\r\n') && !/(?<!\r)\n|\r(?!\n)/.test(decoded);
  return isCrlf ? Buffer.from(decoded.replaceAll('\r\n', '\n'), 'latin1') : file;
}

/** A run that has no reason to fail: what a column cannot hold is refused by itself. */
async function runWell(project: Project, direction: 'sync' | 'export'): Promise<Report> {
  return project
    .run(direction, { allowMassChange: true })
    .catch((error: Error) => assert.fail(`The ${direction} failed: ${error.message}`));
}

/** Strict mode is the session's own, so a server without it shows more. */
const servers = [
  { engine: 'innodb', strict: false, always: true },
  { engine: 'sqlite', strict: true, always: true },
  { engine: 'innodb', strict: true, always: false },
  { engine: 'myisam', strict: true, always: false },
  { engine: 'myisam', strict: false, always: false },
] as const;

for (const { engine, strict } of servers.filter(({ always }) => always || full)) {
  const where = engine === 'sqlite' ? engine : `${engine}, ${strict ? 'strict' : 'not strict'}`;
  it(`every text in every column on ${where}: the same bytes, or refused by name and as before`, async (t) => {
    const bench = await createBench(t, engine, strict);
    const { project, columns } = bench;
    await runWell(project, 'sync');
    for (const column of columns) {
      for (const [index, [, bytes]] of cases.entries()) {
        await project.repo.write(fileOf(column, `u${index}`), bytes);
        await project.repo.write(fileOf(column, `n${index}`), bytes);
      }
    }
    const report = await runWell(project, 'sync');
    const refused = new Set([...report.skipped, ...report.conflicts].map(({ path }) => path));
    let count = 0;
    let fitting = 0;
    for (const column of columns) {
      const stored = await bench.stored(column);
      for (const [index, [what, bytes]] of cases.entries()) {
        for (const slug of [`u${index}`, `n${index}`]) {
          count += 1;
          const path = fileOf(column, slug);
          const pair = `"${what}" in a column "${column.name}" (${where}, ${slug.startsWith('u') ? 'edited' : 'new'})`;
          const found = stored.get(slug);
          assert.ok((await bytesOf(project, path)).equals(bytes), `${pair}: an import changed the file`);
          if (refused.has(path)) {
            const before = slug.startsWith('u') ? Buffer.from(BEFORE) : undefined;
            assert.equal(show(found), show(before), `${pair}: was refused, and the row was changed`);
          } else {
            fitting += 1;
            assert.ok(
              found?.equals(expected(column, bytes)),
              `${pair}: other bytes are stored, ${show(found)} for ${show(bytes)}, and nobody was told`,
            );
          }
          const isWritten = slug.startsWith('n') || bytes.toString() !== BEFORE;
          if (column.fits && isWritten)
            assert.equal(
              !refused.has(path),
              column.fits(bytes),
              `${pair}: ${refused.has(path) ? 'refused though it fits' : 'taken though it does not fit'}`,
            );
        }
      }
    }
    const before = await Promise.all(columns.map((column) => bench.stored(column)));
    // What the database did not take is all there is to do now, so the command fails where it said so before.
    const again = await project.run('sync').catch((error: SyncError) => error);
    if (again instanceof SyncError) assert.equal(again.code, 'VERIFY', `A second run fails: ${again.message}`);
    else assert.deepEqual([again.rows.written, again.rows.inserted, again.files.written], [0, 0, 0], 'A second run writes something');
    assert.deepEqual(await Promise.all(columns.map((column) => bench.stored(column))), before, 'A second run changed rows');
    survived(t, { cases: count, of: count, detail: `${fitting} stored, ${count - fitting} refused` });
  });

  it(`every text the database itself holds on ${where}: the file has its bytes`, async (t) => {
    const bench = await createBench(t, engine, strict);
    const { project, columns } = bench;
    await runWell(project, 'sync');
    for (const column of columns) {
      for (const [index, [, bytes]] of cases.entries()) {
        // What it does not take stays as it was; what it changes is what counts from then on.
        await bench.store(column, `u${index}`, bytes).catch(() => undefined);
      }
    }
    for (const { name } of columns) await project.db.sql(`UPDATE c_${name} SET body = NULL WHERE slug = 'nothing'`).catch(() => undefined);
    const before = new Map(await Promise.all(columns.map(async (column) => [column, await bench.stored(column)] as const)));
    const report = await runWell(project, 'export');
    const refused = new Set([...report.skipped, ...report.conflicts].map(({ path }) => path));
    let count = 0;
    for (const column of columns) {
      const stored = await bench.stored(column);
      const slugs = [...cases.map(([what], index) => [what, `u${index}`] as const), ['NULL', 'nothing'] as const];
      for (const [what, slug] of slugs) {
        count += 1;
        const path = fileOf(column, slug);
        const pair = `"${what}" from a column "${column.name}" (${where})`;
        const row = stored.get(slug);
        assert.equal(show(row), show(before.get(column)?.get(slug)), `${pair}: an export changed the row`);
        const file = await bytesOf(project, path);
        const wanted = refused.has(path) ? Buffer.from(BEFORE) : expected(column, row ?? Buffer.alloc(0));
        assert.ok(file.equals(wanted), `${pair}: the file has ${show(file)} for ${show(row)}`);
      }
    }
    survived(t, { cases: count, of: count });
  });
}

it('a text larger than what the server takes in one statement is refused by name, and one below it arrives', async (t) => {
  const bench = await createBench(t, 'innodb', true);
  const { project, columns } = bench;
  await project.run('sync');
  const column = columns.find(({ name }) => name === 'mediumtext')!;
  const blob = columns.find(({ name }) => name === 'blob')!;
  const sizes = { u0: 17 * 2 ** 20, u1: 16 * 2 ** 20, u2: 2 ** 24 - 1, u3: 15 * 2 ** 20 };
  for (const one of [column, blob])
    for (const [slug, size] of Object.entries(sizes)) await project.repo.write(fileOf(one, slug), Buffer.alloc(size, 'x'));
  const report = await project.run('sync');
  const refused = report.skipped.map(({ path, code }) => `${path} ${code}`).toSorted();
  const wanted = [blob, column].flatMap((one) => ['u0', 'u1', 'u2'].map((slug) => `${fileOf(one, slug)} TOO_LONG`));
  assert.deepEqual(refused, wanted, 'What does not fit one statement is refused by name');
  for (const one of [column, blob]) {
    const [row] = await project.db.sql(`SELECT OCTET_LENGTH(body) AS n FROM c_${one.name} WHERE slug = 'u3'`);
    assert.equal(Number(row?.n), sizes.u3, 'What fits one statement arrives whole');
    const [other] = await project.db.sql(`SELECT body FROM c_${one.name} WHERE slug = 'u0'`);
    assert.equal(String(other?.body), BEFORE, 'What was refused changed the row');
  }
  survived(t, { cases: 8, of: 8 });
});

it('a column the database computes is no column for texts', async (t) => {
  for (const engine of ['sqlite', 'innodb'] as const) {
    const bench = await createBench(t, engine, true);
    const { project } = bench;
    const id = engine === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY';
    await project.db.sql(`CREATE TABLE made (id ${id}, slug VARCHAR(60), raw VARCHAR(60), body VARCHAR(60) AS (UPPER(raw)) STORED)`);
    await project.db.sql("INSERT INTO made (slug, raw) VALUES ('one', 'raw')");
    await project.configure({ root: 'db', mappings: [{ name: 'made', table: 'made', path: 'made/{slug}.txt', content: 'body' }] });
    assert.equal((await refusalOf(project.run('sync'))).code, 'CONFIG', `A generated column is refused on ${engine}`);
  }
  survived(t, { cases: 2, of: 2 });
});
