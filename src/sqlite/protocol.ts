/** A value as SQLite knows it. Integers within ±2^53 are numbers, others bigints. */
export type SqliteValue = string | number | bigint | null | Uint8Array;

export type SqliteRow = Record<string, SqliteValue>;

export interface RunResult {
  changes: number;
  /** Of the last INSERT of the connection. */
  lastInsertRowid: number | bigint;
}

/** One statement of a transaction: run once with `params`, or once for each of `rows`. */
export interface Statement {
  sql: string;
  params?: readonly SqliteValue[];
  rows?: readonly (readonly SqliteValue[])[];
}

export interface OpenOptions {
  readOnly?: boolean;
  /** Whether a missing file is created. */
  create?: boolean;
  /** How long a statement waits for another connection's lock, in milliseconds; 5000 by default. */
  busyTimeout?: number;
  /** SQL to run before anything else, e.g. pragmas. */
  exec?: string;
}

export type Request =
  | { id: number; kind: 'open'; path: string; options: OpenOptions }
  | { id: number; kind: 'exec'; sql: string }
  | { id: number; kind: 'all' | 'run'; sql: string; params: readonly SqliteValue[] }
  | { id: number; kind: 'transaction'; statements: readonly Statement[] }
  | { id: number; kind: 'close' };

export type Reply =
  | { id: number; ok: true; value: unknown }
  | { id: number; ok: false; message: string; errcode: number };
