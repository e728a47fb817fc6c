import { SyncError } from '../core/errors.ts';
import type { Refusal } from '../core/match.ts';
import { RetryError } from '../store/store.ts';

/** A file or row moved since the plan was made; nothing was written, and the plan may be made again. */
export class Unstable extends Error {
  override readonly name = 'Unstable';
  /** Which operations of the batch moved, by index; none where that is not known. */
  readonly moved: readonly number[];

  constructor(message: string, moved: readonly number[] = []) {
    super(message);
    this.moved = moved;
  }
}

/** An error that only means "try again", as a person is told of it; any other one stays what it is. */
export function asTold(error: unknown): unknown {
  if (error instanceof RetryError)
    return new SyncError('UNREACHABLE', error.message, { hint: 'Run it again once the other program is done', cause: error });
  if (error instanceof Unstable)
    return new SyncError('UNSTABLE', `${error.message}; nothing was changed`, { hint: 'Run it again', cause: error });
  return error;
}

/** The database did not take some items; everything was rolled back, and the batch may be tried without them. */
export class Refusals extends Error {
  override readonly name = 'Refusals';
  /** By the index of the operation. */
  readonly items: ReadonlyMap<number, Refusal>;

  constructor(items: ReadonlyMap<number, Refusal>) {
    super(`The database did not take ${items.size} items`);
    this.items = items;
  }
}
