import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { SyncError } from '../core/errors.ts';
import { openSqlite, SqliteError } from '../sqlite/thread.ts';
import type { SqliteThread } from '../sqlite/thread.ts';
import { corrupt, isBusy, setAside, stateError } from './failure.ts';
import { checkFolder, ensureFolder, isErrno } from './folder.ts';
import { SCHEMA, SCHEMA_VERSION } from './schema.ts';

/** The connection to `state.db`: errors are for users, and there is no way around a transaction. */
export interface Connection extends Pick<SqliteThread, 'all' | 'transaction' | 'close'> {
  readonly folder: string;
}

/** WAL keeps readers and the writer out of each other's way; FULL makes a commit durable when it returns. */
const WRITE_PRAGMAS = 'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216';

/** Milliseconds, as long as SQLite waits where it does (`OpenOptions`). */
const BUSY_TIMEOUT = 5000;

/**
 * Opens `state.db`, checks its version and creates what is missing.
 *
 * @throws {SyncError} `STATE` if it is corrupt or newer than this sync-run
 */
export async function connectToWrite(folder: string): Promise<Connection> {
  await ensureFolder(folder);
  const path = join(folder, 'state.db');
  await create(path);
  return guard(folder, async () => {
    const thread = await openSqlite(path, { create: true });
    return closeOnError(thread, async () => {
      const version = await checkVersion(thread, folder);
      await prepareToWrite(thread);
      if (version === 0) await thread.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT`);
      return thread;
    });
  });
}

/**
 * Of several that switch a new file to WAL at once SQLite turns some away without waiting, since to wait could be a deadlock
 * (https://www.sqlite.org/c3ref/busy_handler.html). Asking again is what helps: as soon as one got through, nothing is left to switch.
 */
async function prepareToWrite(thread: SqliteThread): Promise<void> {
  const end = performance.now() + BUSY_TIMEOUT;
  for (;;) {
    try {
      return await thread.exec(WRITE_PRAGMAS);
    } catch (error) {
      if (!(error instanceof SqliteError && isBusy(error)) || performance.now() >= end) throw error;
    }
    await setTimeout(1 + Math.random() * 5);
  }
}

/**
 * Opens `state.db` for reading, as it is, beside whoever writes it. A missing one reads as empty.
 * The file is opened read-only, so that not even a leftover WAL is carried over into it.
 */
export async function connectToRead(folder: string): Promise<Connection> {
  const there = (await checkFolder(folder)) !== null && (await hasContent(join(folder, 'state.db')));
  const connection = await guard(folder, async () => (there ? await openExisting(folder) : null) ?? (await openEmpty()));
  return {
    ...connection,
    transaction: () => Promise.reject(new SyncError('INTERNAL', 'Refused to change a state that was opened for reading')),
  };
}

async function openExisting(folder: string): Promise<SqliteThread | null> {
  const thread = await openSqlite(join(folder, 'state.db'), { readOnly: true });
  const version = await closeOnError(thread, () => checkVersion(thread, folder));
  if (version > 0) return thread;
  // Somebody is about to create it.
  await thread.close();
  return null;
}

function openEmpty(): Promise<SqliteThread> {
  return openSqlite(':memory:', { create: true, exec: SCHEMA });
}

/** Zero for a file without tables. */
async function checkVersion(thread: SqliteThread, folder: string): Promise<number> {
  const [row] = await thread.all<{ version: number; tables: number }>(
    'SELECT user_version AS version, (SELECT count(*) FROM sqlite_schema) AS tables FROM pragma_user_version',
  );
  const { version, tables } = row ?? { version: 0, tables: 0 };
  if (version > SCHEMA_VERSION) {
    throw new SyncError(
      'STATE',
      `The state "${join(folder, 'state.db')}" has version ${version}, but this sync-run knows version ${SCHEMA_VERSION}`,
      { hint: `Update sync-run. Or begin anew. ${await setAside(folder)}` },
    );
  }
  if (version === 0 && tables > 0) throw await corrupt(folder, 'it has tables but no version');
  return version;
}

/** Creates the file with the right mode; SQLite gives `-wal` and `-shm` the same. An existing one is never opened here. */
async function create(path: string): Promise<void> {
  try {
    const handle = await open(path, 'wx', 0o600);
    await handle.close();
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return;
    throw new SyncError('IO', `Could not create the state "${path}"`, { cause: error });
  }
}

async function hasContent(path: string): Promise<boolean> {
  try {
    return (await stat(path)).size > 0;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw new SyncError('IO', `Could not look at the state "${path}"`, { cause: error });
  }
}

async function closeOnError<T>(thread: SqliteThread, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await thread.close();
    throw error;
  }
}

async function guard(folder: string, connect: () => Promise<SqliteThread>): Promise<Connection> {
  const explain = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw await stateError(error, folder);
    }
  };
  const thread = await explain(connect);
  return {
    folder,
    all: (sql, params) => explain(() => thread.all(sql, params)),
    transaction: (statements) => explain(() => thread.transaction(statements)),
    close: () => explain(() => thread.close()),
  };
}
