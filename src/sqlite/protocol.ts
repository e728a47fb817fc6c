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

/**
 * A value on its way between the threads. Bytes travel as an `ArrayBuffer`: Deno walks over every property of a message, and
 * of a typed array that is every byte (100 ms per MiB).
 */
export type WireValue = string | number | bigint | null | ArrayBuffer;

export interface WireStatement {
  sql: string;
  params?: readonly WireValue[];
  rows?: readonly (readonly WireValue[])[];
}

export type Request =
  | { id: number; kind: 'open'; path: string; options: OpenOptions }
  | { id: number; kind: 'exec'; sql: string }
  | { id: number; kind: 'all' | 'run'; sql: string; params: readonly WireValue[] }
  | { id: number; kind: 'transaction'; statements: readonly WireStatement[] }
  | { id: number; kind: 'close' };

export type Reply = { id: number; ok: true; value: unknown } | { id: number; ok: false; message: string; errcode: number };
