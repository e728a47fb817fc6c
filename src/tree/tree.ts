import type { Digest } from '../core/digest.ts';
import { asyncDisk } from './disk-async.ts';
import type { Executor } from './executor.ts';
import { inline } from './executor.ts';

/** Where a batch's files are. */
export interface Tree {
  /** Absolute path of the working tree. */
  top: string;
  /** From the top; directories that become empty are removed up to it. */
  root: string;
  /** Who does the work; without one the calling thread. */
  executor?: Executor | undefined;
}

/** The text of a digest; null if it is not kept any more. */
export type TextOf = (digest: Digest) => Promise<Uint8Array | null> | Uint8Array | null;

const here = inline(asyncDisk);

export function executorOf({ executor }: Pick<Tree, 'executor'>): Executor {
  return executor ?? here;
}
