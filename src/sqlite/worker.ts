import { createHash } from 'node:crypto';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { parentPort } from 'node:worker_threads';
import { loadSqlite } from './load.ts';
import type { OpenOptions, Reply, Request, RunResult, SqliteValue, WireStatement, WireValue } from './protocol.ts';

/** Blobs from this size on are moved to the asking thread instead of copied. */
const TRANSFER_FROM = 64 * 1024;
const CACHED_STATEMENTS = 200;

const { DatabaseSync: Database } = await loadSqlite();
const port = parentPort;
if (!port) throw new Error('This file runs in a worker thread only');

let database: DatabaseSync | null = null;
const statements = new Map<string, StatementSync>();

port.on('message', (request: Request) => {
  const transfer: ArrayBuffer[] = [];
  port.postMessage(answer(request, transfer), transfer);
});

function answer(request: Request, transfer: ArrayBuffer[]): Reply {
  try {
    return { id: request.id, ok: true, value: perform(request, transfer) };
  } catch (error) {
    const { message, code, errcode } = error as { message?: unknown; code?: unknown; errcode?: unknown };
    return { id: request.id, ok: false, message: String(message ?? error), errcode: errorCode(String(message), code, errcode) };
  }
}

/** Deno sets no code on errors of opening and of `exec`; these are the texts of SQLite's own codes (sqlite3ErrStr in its main.c). */
const codes: [text: string, errcode: number][] = [
  ['database is locked', 5],
  ['database table is locked', 6],
  ['attempt to write a readonly database', 8],
  ['disk I/O error', 10],
  ['database disk image is malformed', 11],
  ['database or disk is full', 13],
  ['unable to open database file', 14],
  ['file is not a database', 26],
];

function errorCode(message: string, code: unknown, errcode: unknown): number {
  if (typeof errcode === 'number') return errcode;
  if (code !== 'ERR_SQLITE_ERROR') return 0;
  // Anything else is SQLITE_ERROR, such as a syntax error.
  return codes.find(([text]) => message.includes(text))?.[1] ?? (/constraint failed/.test(message) ? 19 : 1);
}

function perform(request: Request, transfer: ArrayBuffer[]): unknown {
  if (request.kind === 'open') return open(request.path, request.options);
  if (!database) throw new Error('The connection is closed');
  switch (request.kind) {
    case 'exec':
      return database.exec(request.sql);
    case 'all':
      return all(prepare(database, request.sql), request.params, transfer);
    case 'run':
      return run(prepare(database, request.sql), request.params);
    case 'transaction':
      return transaction(database, request.statements);
    case 'close':
      statements.clear();
      database.close();
      database = null;
      return null;
  }
}

function open(path: string, options: OpenOptions): null {
  const url = pathToFileURL(path);
  url.searchParams.set('mode', options.readOnly ? 'ro' : options.create ? 'rwc' : 'rw');
  database = new Database(path === ':memory:' ? path : url, {
    readOnly: options.readOnly ?? false,
    // As SQLite has it unless told otherwise; node:sqlite switches it on.
    enableForeignKeyConstraints: false,
  });
  database.exec(`PRAGMA busy_timeout = ${options.busyTimeout ?? 5000}`);
  database.function('sync_run_sha256', { deterministic: true }, sha256);
  if (options.exec) database.exec(options.exec);
  return null;
}

function sha256(value: unknown): string | null {
  if (value === null) return null;
  if (!(value instanceof Uint8Array)) throw new Error('"sync_run_sha256" takes a BLOB');
  return createHash('sha256').update(value).digest('hex');
}

function prepare(db: DatabaseSync, sql: string): StatementSync {
  const known = statements.get(sql);
  statements.delete(sql);
  const statement = known ?? db.prepare(sql);
  if (!known) statement.setReadBigInts(true);
  statements.set(sql, statement);
  if (statements.size > CACHED_STATEMENTS) {
    const [oldest] = statements.keys();
    if (oldest !== undefined) statements.delete(oldest);
  }
  return statement;
}

function all(statement: StatementSync, params: readonly WireValue[], transfer: ArrayBuffer[]): Record<string, SqliteValue | ArrayBuffer>[] {
  const rows = statement.all(...params.map(fromWire)) as Record<string, SqliteValue | ArrayBuffer>[];
  for (const row of rows) {
    for (const name in row) {
      const value = row[name];
      if (typeof value === 'bigint') row[name] = small(value);
      else if (value instanceof Uint8Array) {
        const whole = value.byteLength === value.buffer.byteLength;
        const bytes = (whole ? value : new Uint8Array(value)).buffer as ArrayBuffer;
        row[name] = bytes;
        if (bytes.byteLength >= TRANSFER_FROM) transfer.push(bytes);
      }
    }
  }
  return rows;
}

function run(statement: StatementSync, params: readonly WireValue[]): RunResult {
  const { changes, lastInsertRowid } = statement.run(...params.map(fromWire));
  return { changes: Number(changes), lastInsertRowid: small(BigInt(lastInsertRowid)) };
}

/** Node 22 binds an empty array without memory behind it as NULL. */
const EMPTY = new Uint8Array(8).subarray(0, 0);

function fromWire(value: WireValue): SQLInputValue {
  if (!(value instanceof ArrayBuffer)) return value;
  return value.byteLength === 0 ? EMPTY : new Uint8Array(value);
}

function small(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

function transaction(db: DatabaseSync, list: readonly WireStatement[]): RunResult[] {
  db.exec('BEGIN IMMEDIATE');
  try {
    const results = list.map(({ sql, params, rows }) => {
      const statement = prepare(db, sql);
      let result: RunResult = { changes: 0, lastInsertRowid: 0 };
      for (const row of rows ?? [params ?? []]) {
        const one = run(statement, row);
        result = { changes: result.changes + one.changes, lastInsertRowid: one.lastInsertRowid };
      }
      return result;
    });
    db.exec('COMMIT');
    return results;
  } catch (error) {
    try {
      db.exec('ROLLBACK');
    } catch {
      // SQLite has already rolled back (disk full, I/O error); the first error is the one to report.
    }
    throw error;
  }
}
