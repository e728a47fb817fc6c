import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { mariadb, startMariadb } from '../helpers/mariadb.ts';
import { createDatabase, type Database, type Project, projectOf } from '../helpers/project.ts';
import { createRepository } from '../helpers/repository.ts';
import { quote } from '../helpers/stores.ts';
import { full } from './cases.ts';

export type Row = Record<string, unknown>;

export interface Server {
  name: string;
  /** Null for SQLite. */
  args: readonly string[] | null;
  /** Of the columns, so that what is stored there are bytes of it. */
  charset: 'utf8mb4' | 'gbk' | null;
  always: boolean;
}

/** Databases that read quotes and backslashes in different ways. */
const all: readonly Server[] = [
  { name: 'sqlite', args: null, charset: null, always: true },
  { name: 'mariadb', args: [], charset: 'utf8mb4', always: true },
  { name: 'mariadb without backslash escapes', args: ['--sql-mode=NO_BACKSLASH_ESCAPES,ANSI_QUOTES'], charset: 'utf8mb4', always: true },
  { name: 'mariadb in GBK', args: ['--character-set-server=gbk', '--sql-mode='], charset: 'gbk', always: false },
];
export const servers = all.filter(({ always }) => always || full);

export interface Bench {
  project: Project;
  db: Database;
  /** A text as SQL: by its bytes, so that nothing here escapes anything. */
  text(value: string): string;
  id(name: string): string;
  /** How a table has ids that count up. */
  counting: string;
  /** What follows the columns of a table of texts. */
  tail: string;
  /** Which of the texts columns of this server can hold: asked of the server itself. */
  held(values: readonly string[]): Promise<boolean[]>;
  /** Every table with every row of it, but ours and what the clock says. */
  everything(): Promise<Record<string, Row[]>>;
}

export async function createBench(t: TestContext, server: Server): Promise<Bench> {
  const repo = await createRepository();
  t.after(() => repo.cleanup());
  const { charset } = server;
  const isSqlite = charset === null;
  const db = isSqlite ? await createDatabase('sqlite', repo.beside('hostile.db')) : await onServer(server.args ?? [], charset);
  const id = (name: string): string => quote(isSqlite ? 'sqlite' : 'innodb', name);
  const text = (value: string): string => {
    const hex = `x'${Buffer.from(value).toString('hex')}'`;
    return isSqlite ? `CAST(${hex} AS TEXT)` : `CONVERT(${hex} USING utf8mb4)`;
  };
  const tables = isSqlite
    ? "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    : 'SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()';
  await db.sql('CREATE TABLE canary (id INT PRIMARY KEY, body VARCHAR(20), note VARCHAR(20))');
  await db.sql("INSERT INTO canary VALUES (1, 'alive', 'one'), (2, 'alive', 'two')");
  return {
    project: projectOf(repo, db),
    db,
    text,
    id,
    counting: isSqlite ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY',
    tail: isSqlite ? '' : ` ENGINE=InnoDB DEFAULT CHARSET=${charset} COLLATE=${charset}_bin`,
    async held(values) {
      if (isSqlite) return values.map(() => true);
      const there = (value: string): string => `HEX(CONVERT(CONVERT(${text(value)} USING ${charset}) USING utf8mb4)) = HEX(${text(value)})`;
      const [row = {}] = await db.sql(`SELECT ${values.map((value, index) => `${there(value)} AS v${index}`).join(', ')}`);
      return values.map((_, index) => Number(row[`v${index}`]) === 1);
    },
    async everything() {
      const found: Record<string, Row[]> = {};
      for (const { name } of await db.sql(tables)) {
        if (name === 'sync_run_tree') continue;
        const rows = await db.sql(`SELECT * FROM ${id(String(name))} ORDER BY 1`);
        found[String(name)] = rows.map((row) => {
          const all = Object.entries(row).filter(([column]) => column !== 'updated_at');
          return Object.fromEntries(all.map(([column, value]) => [column, value === null ? null : String(value as string | number)]));
        });
      }
      return found;
    },
  };
}

const started = new Map<string, ReturnType<typeof mariadb>>();

async function onServer(args: readonly string[], charset: string): Promise<Database> {
  const key = args.join(' ');
  if (!started.has(key)) started.set(key, args.length === 0 ? mariadb() : startMariadb({ args: [...args] }));
  const database = await (await started.get(key)!).createDatabase({ charset });
  return { engine: 'innodb', url: database.url, sql: (text) => database.sql(text) };
}

/** What all tables have to hold, kept up by a test. */
export interface Expected {
  tables: Record<string, Row[]>;
  /** Compares every table with it, and counts so many cases. */
  check(what: string, cases: number): Promise<void>;
  cases(): number;
}

export async function expectedOf({ everything }: Bench): Promise<Expected> {
  let count = 0;
  const expected: Expected = {
    tables: await everything(),
    cases: () => count,
    async check(what, cases) {
      count += cases;
      const found = await everything();
      assert.deepEqual(Object.keys(found), Object.keys(expected.tables), `${what}: a table came or went`);
      for (const [table, rows] of Object.entries(found)) {
        const wanted = expected.tables[table]!;
        const other = rows.find((row, at) => JSON.stringify(row) !== JSON.stringify(wanted[at])) ?? wanted[rows.length];
        assert.deepEqual(rows, wanted, `${what}: a row of "${table}" is not what it has to be: ${JSON.stringify(other)}`);
      }
    },
  };
  return expected;
}

/** A run of the tool that has no reason to fail. */
export async function sync(project: Project, what: string): Promise<void> {
  const report = await project
    .run('sync', { allowMassChange: true })
    .catch((error: Error) =>
      assert.fail(`${what}: the run failed: ${error.message} ${String((error.cause as Error | undefined)?.message)}`),
    );
  assert.deepEqual([report.skipped, report.conflicts], [[], []], `${what}: an item was left out`);
}
