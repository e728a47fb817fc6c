import { Worker } from 'node:worker_threads';
import type { OpenOptions, Reply, Request, RunResult, SqliteRow, SqliteValue, Statement, WireStatement, WireValue } from './protocol.ts';

export type { OpenOptions, RunResult, SqliteRow, SqliteValue, Statement } from './protocol.ts';

/** An error of SQLite, with its extended result code (0 where the error is not SQLite's). */
export class SqliteError extends Error {
  override readonly name = 'SqliteError';
  /** https://www.sqlite.org/rescode.html; `errcode & 0xff` is the primary code. */
  readonly errcode: number;

  constructor(message: string, errcode: number) {
    super(message);
    this.errcode = errcode;
  }
}

/** One SQLite connection in a thread of its own, so that no statement blocks the event loop. Requests run one after the other. */
export interface SqliteThread {
  /** Runs any number of statements without parameters. */
  exec(sql: string): Promise<void>;
  all<R extends SqliteRow = SqliteRow>(sql: string, params?: readonly SqliteValue[]): Promise<R[]>;
  run(sql: string, params?: readonly SqliteValue[]): Promise<RunResult>;
  /** Runs all statements in one `BEGIN IMMEDIATE` transaction, in one message. On an error nothing of it remains. */
  transaction(statements: readonly Statement[]): Promise<RunResult[]>;
  /** Closes the connection and ends the thread. What was asked for before is finished first. */
  close(): Promise<void>;
}

type Ask = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

/**
 * Opens a database file in a worker thread.
 *
 * The SQL function `sync_run_sha256(blob)` is there: the digest in lower-case hex, NULL for NULL.
 *
 * @throws {SqliteError} `CANTOPEN` (14) where the file is missing and `create` is not set
 */
export async function openSqlite(path: string, options: OpenOptions = {}): Promise<SqliteThread> {
  const connection = start();
  try {
    await connection.ask({ kind: 'open', path, options });
  } catch (error) {
    await connection.end();
    throw error;
  }
  return {
    exec: async (sql) => void (await connection.ask({ kind: 'exec', sql })),
    all: async <R extends SqliteRow>(sql: string, params: readonly SqliteValue[] = []) => {
      const rows = await connection.ask({ kind: 'all', sql, params: params.map(toWire) });
      return rowsFromWire(rows as Record<string, WireValue>[]) as R[];
    },
    run: async (sql, params = []) => (await connection.ask({ kind: 'run', sql, params: params.map(toWire) })) as RunResult,
    transaction: async (statements) =>
      (await connection.ask({ kind: 'transaction', statements: statements.map(statementToWire) })) as RunResult[],
    close: () => connection.close(),
  };
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

interface Connection {
  ask(request: Ask): Promise<unknown>;
  close(): Promise<void>;
  end(): Promise<void>;
}

function start(): Connection {
  // The worker stands beside this file, as .ts in the source and as .js in the package.
  const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
  const worker = new Worker(new URL(file, import.meta.url), { name: 'sqlite' });
  const pending = new Map<number, Pending>();
  let next = 1;
  let dead: Error | null = null;
  let closing: Promise<void> | null = null;

  const fail = (error: Error): void => {
    dead ??= error;
    for (const { reject } of pending.values()) reject(dead);
    pending.clear();
  };
  worker.on('message', (reply: Reply) => {
    const waiting = pending.get(reply.id);
    pending.delete(reply.id);
    if (reply.ok) waiting?.resolve(reply.value);
    else waiting?.reject(new SqliteError(reply.message, reply.errcode));
  });
  worker.on('error', (error) => fail(error instanceof Error ? error : new Error(String(error))));
  worker.on('exit', () => fail(new SqliteError('The connection is closed', 0)));

  const ask = (request: Ask): Promise<unknown> => {
    if (dead) return Promise.reject(dead);
    return new Promise((resolve, reject) => {
      const id = next++;
      pending.set(id, { resolve, reject });
      try {
        worker.postMessage({ ...request, id });
      } catch (error) {
        pending.delete(id);
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  };
  const end = async (): Promise<void> => {
    dead ??= new SqliteError('The connection is closed', 0);
    await worker.terminate();
  };
  const close = async (): Promise<void> => {
    if (dead) return;
    try {
      await ask({ kind: 'close' });
    } finally {
      await end();
    }
  };
  return { ask, end, close: () => (closing ??= close()) };
}

function toWire(value: SqliteValue): WireValue {
  if (!(value instanceof Uint8Array)) return value;
  // A view on a part of a larger buffer would be cloned with the whole of it.
  const whole = value.buffer instanceof ArrayBuffer && value.byteLength === value.buffer.byteLength;
  return whole ? (value.buffer as ArrayBuffer) : new Uint8Array(value).buffer;
}

function statementToWire(statement: Statement): WireStatement {
  const { sql, params, rows } = statement;
  return {
    sql,
    ...(params && { params: params.map(toWire) }),
    ...(rows && { rows: rows.map((row) => row.map(toWire)) }),
  };
}

/** In place, since the rows are nobody else's. */
function rowsFromWire(rows: Record<string, WireValue | Uint8Array>[]): SqliteRow[] {
  for (const row of rows) {
    for (const name in row) {
      const value = row[name];
      if (value instanceof ArrayBuffer) row[name] = new Uint8Array(value);
    }
  }
  return rows as SqliteRow[];
}
