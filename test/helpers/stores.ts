import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { RowShape } from '../../src/core/table.ts';
import { openSqlite, type SqliteValue } from '../../src/sqlite/thread.ts';
import { openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';
import { useMariadb } from './mariadb.ts';

const server = useMariadb();

/** A store on a fresh database, and a second way into it that does not go through the code under test. */
export interface Bench {
  store: Store;
  url: string;
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
}

export type Kind = 'innodb' | 'myisam' | 'sqlite';

/** Opens a store on a fresh database, in which `schema` was run; `{engine}` in it is the engine clause. */
export async function openBench(t: TestContext, kind: Kind, schema: string): Promise<Bench> {
  return kind === 'sqlite'
    ? sqliteBench(t, schema.replaceAll('{engine}', ''))
    : mysqlBench(t, schema.replaceAll('{engine}', `ENGINE=${kind}`));
}

export const quote = (kind: Kind, name: string): string =>
  kind === 'sqlite' ? `"${name.replaceAll('"', '""')}"` : `\`${name.replaceAll('`', '``')}\``;

async function mysqlBench(t: TestContext, schema: string): Promise<Bench> {
  const database = await (await server()).createDatabase();
  await database.sql(schema);
  const store = await openStore(database.url, '/');
  t.after(() => store.close());
  return { store, url: database.url, sql: database.sql };
}

async function sqliteBench(t: TestContext, schema: string): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'sync-run-sqlite-'));
  const own = await openSqlite(join(folder, 'test.db'), { create: true, exec: schema });
  const url = `sqlite:${join(folder, 'test.db')}`;
  const store = await openStore(url, '/');
  t.after(async () => {
    await store.close();
    await own.close();
    await rm(folder, { recursive: true });
  });
  return { store, url, sql: (text, values = []) => own.all(text, values as SqliteValue[]) };
}

export function shape(table: string, parts: Partial<RowShape> = {}): RowShape {
  return { table, primaryKey: ['id'], keyColumns: ['name'], content: 'body', where: {}, ...parts };
}
