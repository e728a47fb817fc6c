import { realpath, stat } from 'node:fs/promises';
import { SyncError } from '../core/errors.ts';
import { openSqlite, SqliteError, type SqliteThread } from '../sqlite/thread.ts';
import { createStore } from './create-store.ts';
import type { Driver, Link } from './link.ts';
import { describeTable, listColumns, listTables } from './sqlite/describe.ts';
import { diagnose } from './sqlite/diagnose.ts';
import { sqliteDialect } from './sqlite/dialect.ts';
import { commitError, translate } from './sqlite/errors.ts';
import { unfit } from './sqlite/unfit.ts';
import type { Row, Rows, Value } from './sql.ts';
import type { Store } from './store.ts';
import { TREE_TABLE } from './tree-table.ts';

/** How long a statement waits for a lock of the application, in milliseconds. */
const BUSY_TIMEOUT = 5000;

/**
 * Opens a SQLite file as a store. The file must exist.
 *
 * @throws {SyncError} `UNREACHABLE` where it does not exist or cannot be opened, `DATABASE` where it is no UTF-8 SQLite database
 */
export async function openSqliteStore(path: string): Promise<Store> {
  const file = await existing(path);
  const first = await openLink(file);
  const [row] = await first.execute('SELECT sqlite_version() AS version', []);
  const driver: Driver = {
    dialect: 'sqlite',
    version: `SQLite ${String(row?.['version'])}`,
    maxStatement: null,
    speech: sqliteDialect,
    open: () => openLink(file),
    // Reading is what makes the snapshot; query_only keeps a mistake from writing.
    snapshot: ['PRAGMA query_only = ON', 'BEGIN', 'SELECT 1 FROM sqlite_schema'],
    endSnapshot: ['COMMIT', 'PRAGMA query_only = OFF'],
    begin: 'BEGIN IMMEDIATE',
    createTreeTable: (link) =>
      link.command(
        `CREATE TABLE IF NOT EXISTS ${TREE_TABLE} (tree TEXT NOT NULL PRIMARY KEY, txid TEXT NOT NULL, updated_at TEXT NOT NULL)`,
      ),
    server: async () => `SQLite file "${file}"`,
    tables: listTables,
    columns: listColumns,
    describe: describeTable,
    unfit,
    diagnose: (sql, tables) => diagnose(sql, tables, file),
  };
  return createStore(driver, first);
}

async function existing(path: string): Promise<string> {
  try {
    const file = await realpath(path);
    if ((await stat(file)).isFile()) return file;
  } catch (cause) {
    throw new SyncError('UNREACHABLE', `The SQLite database "${path}" cannot be opened`, {
      hint: 'Check the path in the database URL; sync-run does not create databases',
      cause,
    });
  }
  throw new SyncError('UNREACHABLE', `"${path}" is not a file`, { hint: 'Check the path in the database URL' });
}

async function openLink(file: string): Promise<Link> {
  let thread: SqliteThread | undefined;
  try {
    thread = await openSqlite(file, { busyTimeout: BUSY_TIMEOUT });
    const [encoding] = await thread.all('PRAGMA encoding');
    if (encoding?.['encoding'] !== 'UTF-8') {
      throw new SyncError(
        'DATABASE',
        `The SQLite database "${file}" has the encoding "${String(encoding?.['encoding'])}"; only UTF-8 is supported`,
      );
    }
    const [journal] = await thread.all('PRAGMA journal_mode');
    // Without a WAL the removal of the journal is the commit, which only EXTRA makes durable.
    await thread.exec(`PRAGMA synchronous = ${journal?.['journal_mode'] === 'wal' ? 'FULL' : 'EXTRA'}`);
    return createLink(thread);
  } catch (error) {
    await thread?.close();
    throw translate(error, file);
  }
}

function createLink(thread: SqliteThread): Link {
  let open = true;
  const attempt = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw translate(error);
    }
  };
  return {
    execute: (text, values) =>
      attempt(async () => {
        const params = values.map(bound);
        // Only statements that give rows back need them carried over; `changes` is known for the others.
        if (/^\s*(?:SELECT|PRAGMA|WITH)\b/i.test(text) || /\bRETURNING\b/.test(text)) {
          const rows: Row[] = await thread.all(text, params);
          return Object.assign(rows, { affected: rows.length });
        }
        const { changes } = await thread.run(text, params);
        return Object.assign([], { affected: changes }) as Rows<Row>;
      }),
    command: (text) => attempt(() => thread.exec(text)),
    async commit() {
      try {
        await thread.exec('COMMIT');
      } catch (error) {
        throw commitError(error);
      }
    },
    async inTransaction() {
      try {
        await thread.exec('BEGIN');
      } catch (error) {
        return error instanceof SqliteError && /within a transaction/.test(error.message);
      }
      await thread.exec('ROLLBACK');
      return false;
    },
    alive: () => Promise.resolve(open),
    async close() {
      open = false;
      await thread.close();
    },
  };
}

/** node:sqlite binds every number as a float. */
function bound(value: Value): Value {
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
}
