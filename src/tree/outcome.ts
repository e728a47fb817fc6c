import type { FileChange } from '../core/batch.ts';
import type { SyncError } from '../core/errors.ts';

/** How one change ended. */
export interface Outcome {
  change: FileChange;
  /**
   * - `done`: the file is what the change wanted; where it already was, nothing was written.
   * - `target-changed`: someone else's content is there, and stays.
   * - `late-write`: the new file is in place, but the old one was written to after the plan saw it.
   * - `failed`: not done or not known to be durable; to be rolled forward later.
   */
  result: 'done' | 'target-changed' | 'late-write' | 'failed';
  /** Someone's text that belongs into the history: what was written late, or what was found instead; null where there is none. */
  found: Uint8Array | null;
  /** Only with `failed`. */
  error?: SyncError;
}

export type Ending = Omit<Outcome, 'change'>;

export const DONE: Ending = { result: 'done', found: null };

export function targetChanged(found: Uint8Array | null): Ending {
  return { result: 'target-changed', found };
}
