import type { Direction, Side, Source } from '../core/batch.ts';
import type { Digest } from '../core/digest.ts';
import type { Refusal } from '../core/match.ts';

/** A text to replace both sides, for as long as they hold the bytes it was made of. */
export interface Merged {
  text: Uint8Array;
  file: Digest;
  row: Digest;
}

/** What somebody asks a batch to do. */
export interface Request {
  /** The word to report: `sync`, `export`, `import`, `resolve`, `hook post-checkout`, … */
  command: string;
  direction: Direction;
  source: Source;
  /** Files and folders, from the repository root; null means everything. */
  paths: string[] | null;
  prefer: Side | null;
  /** Makes one side win for every item among `paths` that is not in sync. */
  settle: Side | null;
  /** What `resolve --merge` has joined, by path. */
  merged: ReadonlyMap<string, Merged>;
  dryRun: boolean;
  /** Lets a mass change pass: given on the command line, or asked for in a terminal. */
  allowMassChange: boolean | ((lines: string[]) => Promise<boolean>);
  /** In milliseconds: for the runner's lock and for git's. */
  lockTimeout: number;
  /** Git itself waits for the answer, so nobody waits for its locks. */
  byGit: boolean;
  /** The index of the commit under way, in place of the repository's own. */
  indexFile: string | null;
  /** Items to leave alone, by path, with the reason; asked once both sides were read. */
  leave: () => ReadonlyMap<string, Refusal>;
}

export const defaultRequest: Omit<Request, 'command' | 'direction'> = {
  source: 'cli',
  paths: null,
  prefer: null,
  settle: null,
  merged: new Map(),
  dryRun: false,
  allowMassChange: false,
  lockTimeout: 30_000,
  byGit: false,
  indexFile: null,
  leave: () => new Map(),
};
