import type { Digest } from '../core/digest.ts';
import type { Key, PrimaryKey, RowImage, RowSeen, Stamp } from '../core/model.ts';
import type { Column, PointingKey, RowShape, Table } from '../core/table.ts';
import type { Sql } from './sql.ts';

/** A row that was looked for by its primary key. */
export interface LockedSeen extends RowSeen {
  /** Whether the shape's `where` still selects it: another program may have made something else of the row. */
  inScope: boolean;
}

/** A row read whole and locked. */
export interface LockedRow extends Omit<LockedSeen, 'size'> {
  /** Of the bytes that came over the wire, not computed by the server. */
  digest: Digest;
  /** The stored text itself; NULL is the empty text. */
  text: Uint8Array;
  /** All columns but generated ones and the shape's content column (its bytes are in `text`), which is there only where it is NULL. */
  image: RowImage;
}

/** What identifies the database beyond its URL. */
export interface Identity {
  /** The random id in `sync_run_tree`, or null where the table does not exist. */
  id: string | null;
  /** Server and database in words, for messages and as the fall-back identity; never holds a password. */
  server: string;
}

/**
 * What a batch may do inside one transaction or one consistent snapshot.
 * Every method sends values as parameters and compares texts by their bytes.
 */
export interface Session {
  readonly sql: Sql;
  /** Every row of the shape, digests computed by the database so that texts do not travel. */
  scan(shape: RowShape): Promise<RowSeen[]>;
  /** Every row of the shape with its text. For a first export, where all of them travel anyway. In bounded chunks. */
  scanTexts(shape: RowShape): AsyncIterable<(RowSeen & { text: Uint8Array })[]>;
  /** The texts of these rows, in bounded chunks; a row that is gone is left out. NULL is the empty text. */
  texts(shape: RowShape, pks: readonly PrimaryKey[]): AsyncIterable<{ pk: PrimaryKey; text: Uint8Array }[]>;
  /** Whole rows by primary key, locked for update where the session is a transaction. */
  lock(shape: RowShape, pks: readonly PrimaryKey[]): Promise<Map<PrimaryKey, LockedRow>>;
  /** The same rows without their texts: digests of the stored bytes, computed by the database. */
  lockSeen(shape: RowShape, pks: readonly PrimaryKey[]): Promise<Map<PrimaryKey, LockedSeen>>;
  /** Rows that have this key, byte for byte, the shape's `where` included. */
  find(shape: RowShape, key: Key): Promise<PrimaryKey[]>;
  /**
   * Sets columns, and the text where one is given, of exactly one row.
   *
   * @param expected digest the stored text must still have; compared in the statement itself on tables without transactions
   * @returns whether the row was there and matched
   */
  update(shape: RowShape, pk: PrimaryKey, set: RowImage, text: Uint8Array | null, expected: Uint8Array): Promise<boolean>;
  /**
   * Sets the same columns, and to each row its own text, in few statements. For rows this very transaction has locked and compared.
   *
   * @returns whether all of them were there
   * @throws {RefusedError} if the database refused one of them; which one it does not say
   */
  updateTexts(shape: RowShape, set: RowImage, rows: readonly { pk: PrimaryKey; text: Uint8Array }[]): Promise<boolean>;
  /** Inserts one row; returns its primary key. */
  insert(shape: RowShape, set: RowImage, text: Uint8Array): Promise<PrimaryKey>;
  /** Deletes one row whose stored text is still `expected`; returns whether it did. */
  delete(shape: RowShape, pk: PrimaryKey, expected: Uint8Array): Promise<boolean>;
  /** `key` to `name` of a lookup's table, both as text. */
  names(table: string, key: string, name: string): Promise<{ key: string; name: string | null }[]>;
  /** The value to write for a stamp at this moment, fit for this column. */
  stamp(column: Column, stamp: Exclude<Stamp, { from: string }>): Promise<RowImage[string]>;
  /** How many rows elsewhere point at this row by one of these foreign keys. */
  referencing(table: Table, image: RowImage, keys: readonly PointingKey[]): Promise<number>;
  /** This tree's last txid, `null` where the tree has no row. Locks the row in a transaction, and waits for a dying one. */
  treeTxid(tree: string): Promise<string | null>;
  setTreeTxid(tree: string, txid: string): Promise<void>;
  /** Serialises writers: locks the row that identifies the target. */
  lockTarget(): Promise<void>;
}

/** A database whose rows hold texts. The only interface through which rows are read or written. */
export interface Store {
  readonly dialect: 'mysql' | 'sqlite';
  /** Server and version in words, for `doctor`. */
  readonly version: string;
  /** In bytes; null where there is no limit. */
  readonly maxStatement: number | null;
  /** What the database is, with the last batch of this tree; `txid` is null where it knows none, or no tree is given. */
  identity(tree?: string): Promise<Identity & { txid: string | null }>;
  /** Creates `sync_run_tree` if it is missing, the target's id and this tree's row in it. */
  prepare(tree: string): Promise<Identity>;
  tables(): Promise<string[]>;
  /** Null where there is no such table. */
  describe(table: string): Promise<Table | null>;
  /** Runs `work` on one consistent snapshot; writes nothing. */
  read<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /**
   * Runs `work` in one transaction and commits. Throws what `work` throws, after a rollback.
   *
   * @throws {SyncError} `COMMIT_UNKNOWN` if COMMIT was not confirmed: the connection was lost meanwhile, or SQLite's disk failed
   * @throws {RetryError} after a deadlock or lock-wait time-out; everything was rolled back and the plan may be tried again
   */
  begin<T>(work: (session: Session) => Promise<T>): Promise<T>;
  /** Texts among these that the column cannot hold, with the reason; checked before anything is written. */
  unfit(table: Table, column: string, texts: Uint8Array[]): Promise<({ code: 'INVALID_TEXT' | 'TOO_LONG'; message: string } | null)[]>;
  /** Lines about rights and settings that matter: missing GRANTs, no strict mode, weak durability; each with its remedy. */
  diagnose(tables: readonly Table[]): Promise<{ ok: boolean; advice?: true; message: string; remedy?: string }[]>;
  close(): Promise<void>;
}

/** The transaction was rolled back by the server; the same work may succeed when tried again. */
export class RetryError extends Error {
  override readonly name = 'RetryError';
}

/** One statement was refused by the database; names which, so that the batch can go on without the item. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
}
