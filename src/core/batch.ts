import type { Digest } from './digest.ts';
import type { BaseEntry, Key, PrimaryKey, RowImage } from './model.ts';

export type Direction = 'export' | 'import' | 'sync';
export type Side = 'file' | 'row';
export type Source = 'cli' | 'hook' | 'watcher' | 'mcp';

/** One path whose content the batch changes. A rename is a deletion of one path and a creation of another. */
export interface FileChange {
  /** From the repository root. */
  path: string;
  /** Digest of the file's bytes; null where there is none. */
  before: Digest | null;
  after: Digest | null;
  /** Permission bits of the new file. */
  mode: number;
  /** Name, in the target's directory, of the staged new content; null for a deletion. */
  temp: string | null;
  /** Name, in the target's directory, under which the old inode is kept until the batch is done; null for a creation. */
  kept: string | null;
}

/** One row the batch changes. `before` is the whole row, generated columns left out; with `set` and the text it makes the row after. */
export interface RowChange {
  kind: 'insert' | 'update' | 'delete';
  table: string;
  content: string;
  /** Null for an insert whose key the database makes up. */
  pk: PrimaryKey | null;
  key: Key;
  /** The key before, where it differs (a renamed item). */
  keyBefore: Key | null;
  /** Digest of the stored text; null where there is no row. */
  textBefore: Digest | null;
  textAfter: Digest | null;
  before: RowImage | null;
  /** The columns to write; for an insert all that are known. The text itself is in the blob `textAfter`. */
  set: RowImage;
}

/** What the batch does to one item. */
export interface Operation {
  mapping: string;
  key: Key;
  /** The path under which the item is reported. */
  path: string;
  files: FileChange[];
  row: RowChange | null;
  base: { before: BaseEntry | null; after: BaseEntry | null };
  /** Which side's text was given up by `--prefer` or `resolve`; both texts are in the history. */
  loser: Side | null;
  /** What was there on both sides before, for `show`; digests of the bytes. */
  seen: { file: Digest | null; row: Digest | null };
  /** Set where the item ended otherwise than planned. */
  outcome?: 'conflict' | 'skipped' | undefined;
}

/** A batch as it is kept: first as the intent, then in the history. */
export interface Batch {
  /** 32 lower-case hex digits. */
  txid: string;
  command: string;
  source: Source;
  direction: Direction;
  /** Milliseconds since the epoch. */
  startedAt: number;
  /** The commit that was checked out, if any. */
  head: string | null;
  /** The txid of this tree in the database before the batch; null where the batch writes no rows. */
  previousTxid: string | null;
  /** The batch this one takes back. */
  undoes: string | null;
  /** Tables of the batch without transactions. */
  repairable: boolean;
  operations: Operation[];
  /** What its end records besides the operations. Part of the intent only, so that whoever ends the batch records it. */
  alongside?: { holds: Pair[]; conflicts: (Pair & { path: string })[] } | undefined;
}

/** The two texts of an item, as canonical digests; null where a side is absent. */
export interface Pair {
  mapping: string;
  key: Key;
  file: Digest | null;
  row: Digest | null;
}

export type BatchStatus = 'pending' | 'done' | 'void';
