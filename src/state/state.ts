import type { Batch, BatchStatus } from '../core/batch.ts';
import type { Digest } from '../core/digest.ts';
import type { BaseEntry, Key, RowImage } from '../core/model.ts';

/** Two texts nobody has decided between: both sides changed. Kept until it is settled, also over branch switches; an item may have several. */
export interface OpenConflict {
  mapping: string;
  key: Key;
  path: string;
  /** Canonical digests of the texts that stood against each other; null where a side was absent. */
  file: Digest | null;
  row: Digest | null;
  /** What both sides came from when the conflict opened, null where they had never agreed; left out where nobody recorded it. */
  base?: Pick<BaseEntry, 'text' | 'file' | 'row'> | null;
}

/** An item undone by hand, left alone by hooks and watcher while both sides stay as they are. */
export interface Hold {
  mapping: string;
  key: Key;
  file: Digest | null;
  row: Digest | null;
}

/** A row the tool deleted, kept whole until its key comes back. */
export interface Tombstone {
  mapping: string;
  key: Key;
  table: string;
  image: RowImage;
  text: Digest;
  txid: string;
}

export interface BatchSummary extends Omit<Batch, 'operations'> {
  status: BatchStatus;
  finishedAt: number | null;
  counts: { files: number; rows: number; conflicts: number };
}

/** What changes in the state when nothing was written to either side. */
export type Findings = Pick<Completion, 'set' | 'drop' | 'conflicts' | 'holds' | 'blobs' | 'meta'>;

/** Everything one finished batch changes in the state, applied in one transaction. */
export interface Completion {
  batch: Batch;
  finishedAt: number;
  status: 'done' | 'void';
  /** Base entries to set; an item is identified by mapping and primary key. */
  set: BaseEntry[];
  /** Base entries to forget. */
  drop: BaseEntry[];
  conflicts: { set: OpenConflict[]; drop: OpenConflict[] };
  holds: { set: Hold[]; drop: Hold[] };
  tombstones: { set: Tombstone[]; drop: Tombstone[] };
  /** Texts to keep: by digest. */
  blobs: ReadonlyMap<Digest, Uint8Array>;
  /** Single values to set (`head`, `rowTxid`, …); null forgets one. */
  meta: Record<string, string | null>;
}

/** The state of one working tree: base, intent, history over one content-addressed table of texts. */
export interface State {
  readonly folder: string;
  meta(): Promise<Record<string, string>>;
  setMeta(values: Record<string, string | null>): Promise<void>;
  base(): Promise<BaseEntry[]>;
  /** The entries at these paths. */
  baseAt(paths: readonly string[]): Promise<BaseEntry[]>;
  conflicts(): Promise<OpenConflict[]>;
  holds(): Promise<Hold[]>;
  tombstones(): Promise<Tombstone[]>;
  /**
   * The text of a digest; null if it has been dropped from the history.
   *
   * @throws {SyncError} `STATE` if the stored text no longer has this digest
   */
  blob(digest: Digest): Promise<Uint8Array | null>;
  blobs(digests: readonly Digest[]): Promise<Map<Digest, Uint8Array>>;
  /** The unfinished batch, if there is one. */
  intent(): Promise<Batch | null>;
  /** Records the intent and the texts it needs; durable when it returns. */
  begin(batch: Batch, blobs: ReadonlyMap<Digest, Uint8Array>): Promise<void>;
  /** Ends the batch; durable when it returns. */
  finish(completion: Completion): Promise<void>;
  /** Records what was found to be so without any batch: adoptions, open conflicts, the commit; durable when it returns. */
  record(findings: Findings): Promise<void>;
  /** Makes durable what is recorded: a process that was killed may have written it, and not come to wait for the disk. */
  secure(): Promise<void>;
  /** Forgets an intent that changed nothing. */
  abandon(txid: string): Promise<void>;
  /** Newest first, the unfinished batch included. `path` is a file, or a folder with all that is in it. */
  history(options?: { path?: string; limit?: number }): Promise<BatchSummary[]>;
  /**
   * A batch by its txid or a prefix of it that is unique; null if there is none.
   *
   * @throws {SyncError} `NOT_FOUND`, with the txids, if several begin with it
   */
  batch(txid: string): Promise<(Batch & { status: BatchStatus }) | null>;
  /**
   * Drops history older than 30 days but for the newest 100 batches, and the oldest while there is more than 500 MB of it, but the newest
   * batch never for its size.
   * Never drops what base, intent, open conflicts or tombstones need, which does not count as history either.
   */
  prune(now: number): Promise<void>;
  /** Digests of configurations trusted here. */
  trusted(): Promise<Set<Digest>>;
  trust(config: Digest, canonical: string, now: number): Promise<void>;
  /** The configuration trusted last, to show what is new. */
  lastTrusted(): Promise<string | null>;
  /** Forgets base, conflicts, holds, and the rows that were deleted: the next run knows nothing of what was agreed. */
  forgetBase(): Promise<void>;
  close(): Promise<void>;
}
