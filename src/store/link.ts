import { SyncError } from '../core/errors.ts';
import type { ImageValue, Literal, Stamp } from '../core/model.ts';
import type { Column, Table } from '../core/table.ts';
import type { Fragment, Row, Rows, Sql, Value } from './sql.ts';
import type { Identity, Store } from './store.ts';

/** One connection. Its errors are `SyncError`, `RetryError` or `RefusedError` already. */
export interface Link {
  execute(text: string, values: readonly Value[]): Promise<Rows<Row>>;
  /** A constant statement: BEGIN, SAVEPOINT and their like. */
  command(text: string): Promise<void>;
  /** @throws {SyncError} `COMMIT_UNKNOWN` where nobody said whether it was done */
  commit(): Promise<void>;
  /** Whether the transaction is still open after a statement failed. */
  inTransaction(): Promise<boolean>;
  /** Whether the connection can be used again. */
  alive(): Promise<boolean>;
  /** Ends the connection without waiting for an answer where there may be none. */
  close(): Promise<void>;
}

/** A statement named a table that does not exist. */
export class NoTableError extends SyncError {}

/** The user lacks a right for the statement. */
export class DeniedError extends SyncError {}

/** A part of a primary key: a text, or bytes. NULL happens in SQLite only. */
export type KeyPart = string | { x: string } | null;

/** How one kind of database says what the session needs. Columns are given by their description. */
export interface Dialect {
  quote(name: string): string;
  /** The cell as bytes (texts as UTF-8, numbers and dates as their text); NULL stays NULL. */
  bytes(column: Column): Fragment;
  /** SHA-256 of `bytes` in lower-case hex; NULL stays NULL. */
  digest(column: Column): Fragment;
  /** Length of `bytes`. */
  size(column: Column): Fragment;
  /** The cells an image or a key part is decoded from. */
  cells(column: Column): Fragment[];
  toImage(column: Column, cells: readonly Value[]): ImageValue;
  toKeyPart(column: Column, cells: readonly Value[]): KeyPart;
  /** A value of an image, for INSERT and SET. */
  fromImage(column: Column, value: ImageValue): Fragment;
  /** The text, for INSERT and SET. */
  fromText(column: Column, text: Uint8Array): Fragment;
  /** True exactly for cells whose bytes are these; an index can be used. */
  equals(column: Column, part: KeyPart): Fragment;
  /** True at least for the rows with one of these values in the column; an index can be used. Null where that cannot be said. */
  among(column: Column, parts: readonly KeyPart[]): Fragment | null;
  /** True for cells a constant of the configuration selects. */
  matches(column: Column, literal: Literal): Fragment;
  /** Appended to a SELECT that locks what it reads. */
  readonly lock: Fragment;
  stamp(sql: Sql, column: Column, stamp: Exclude<Stamp, { from: string }>): Promise<ImageValue>;
  /**
   * Executes an INSERT of one row.
   *
   * @param given the columns it has values for
   * @returns the cells of the new primary key, or null where the database does not tell
   */
  insert(sql: Sql, insert: Fragment, primaryKey: readonly Column[], given: ReadonlySet<string>): Promise<Value[][] | null>;
}

/** Everything the shared part of a store needs to know about its kind of database. */
export interface Driver extends Pick<Store, 'dialect' | 'version' | 'maxStatement'> {
  readonly speech: Dialect;
  open(): Promise<Link>;
  /** Starts a consistent snapshot; ended by `endSnapshot`. */
  readonly snapshot: readonly string[];
  readonly endSnapshot: readonly string[];
  readonly begin: string;
  /** Creates `sync_run_tree` unless it is there. */
  createTreeTable(link: Link): Promise<void>;
  server(sql: Sql): Promise<Identity['server']>;
  tables(sql: Sql): Promise<string[]>;
  columns(sql: Sql, table: string): Promise<Column[]>;
  describe(sql: Sql, table: string): Promise<Table | null>;
  unfit(sql: Sql, column: Column, text: Uint8Array): Promise<Unfit | null>;
  diagnose(sql: Sql, tables: readonly Table[]): Promise<Diagnosis[]>;
}

export type Unfit = { code: 'INVALID_TEXT' | 'TOO_LONG'; message: string };
/** `advice` marks what works, but could be better. */
export type Diagnosis = { ok: boolean; advice?: true; message: string; remedy?: string };
