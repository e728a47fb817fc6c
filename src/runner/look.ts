import type { Context } from './context.ts';
import { takeNarrowSnapshot } from './narrow-snapshot.ts';
import type { Request } from './request.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';

/** Above this many paths a look at everything is about as quick. */
const NARROW_MAX = 50;

/** Saved files, and those of a commit, are looked at by themselves; everything else needs a look at everything. */
export async function look(context: Context, request: Request): Promise<Snapshot> {
  const few = request.source !== 'cli' && request.paths !== null && request.paths.length <= NARROW_MAX;
  const narrow = few && request.paths ? await takeNarrowSnapshot(context, request.paths) : null;
  return narrow ?? takeSnapshot(context, request.indexFile);
}
