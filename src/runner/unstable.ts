import type { Refusal } from '../core/match.ts';

/** A file or row moved since the plan was made; nothing was written, and the plan may be made again. */
export class Unstable extends Error {
  override readonly name = 'Unstable';
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
