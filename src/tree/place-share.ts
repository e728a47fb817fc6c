import type { FileChange } from '../core/batch.ts';
import { type Dir, openDir } from './dir.ts';
import type { Disk } from './disk.ts';
import { asError, ioError } from './io-error.ts';
import type { Ending } from './outcome.ts';
import { FILES, forEachLimited } from './pool.ts';
import { confirmPlaced, putInPlace } from './put-in-place.ts';
import { confirmGone, takeAway } from './take-away.ts';
import type { TextOf } from './tree.ts';

/** Changes in one directory. */
export interface PlaceShare {
  top: string;
  relative: string;
  changes: FileChange[];
  /** See `putInPlace`. A function does not travel: only for the calling thread. */
  textOf?: TextOf | null;
  /** Whether a missing directory is made anew. */
  create?: boolean;
}

export interface Placed {
  /** Why the directory could not be opened; nothing was done then. */
  unopened: Error | null;
  /** Why its names could not be made durable; nothing was confirmed then. */
  unsynced: Error | null;
  /** In the order of the changes; empty if one of the above is set. */
  endings: Ending[];
}

/** Takes away what is to go. */
export function takeAwayShare(disk: Disk, share: PlaceShare): Promise<Placed> {
  return inDir(disk, share, takeAway);
}

/** Gives what is staged its name. */
export function putInPlaceShare(disk: Disk, share: PlaceShare): Promise<Placed> {
  return inDir(disk, share, (dir, change) => putInPlace(dir, change, share.textOf ?? null));
}

/** Makes the names in the directory durable, then looks at each change once more. */
export function confirmShare(disk: Disk, share: PlaceShare): Promise<Placed> {
  const look = (dir: Dir, change: FileChange): Promise<Ending> =>
    change.after === null ? confirmGone(dir, change) : confirmPlaced(dir, change);
  return inDir(disk, share, look, (dir) => dir.sync());
}

async function inDir(
  disk: Disk,
  { top, relative, changes, create }: PlaceShare,
  step: (dir: Dir, change: FileChange) => Promise<Ending>,
  first: (dir: Dir) => Promise<void> = () => Promise.resolve(),
): Promise<Placed> {
  let dir: Dir;
  try {
    dir = await openDir(disk, top, relative, { create: create ?? false });
  } catch (error) {
    return { unopened: asError(error), unsynced: null, endings: [] };
  }
  try {
    try {
      await first(dir);
    } catch (error) {
      return { unopened: null, unsynced: ioError('make durable', relative, error), endings: [] };
    }
    const endings: Ending[] = [];
    await forEachLimited(changes.entries(), FILES, async ([index, change]) => {
      endings[index] = await step(dir, change).catch((error: unknown) => failed(change, error));
    });
    return { unopened: null, unsynced: null, endings };
  } finally {
    await dir.close();
  }
}

/** The change was not made, or nobody knows. */
export function failed(change: FileChange, error: unknown): Ending {
  return { result: 'failed', found: null, error: ioError(change.after === null ? 'delete' : 'write', change.path, error) };
}
