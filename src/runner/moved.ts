import type { Item } from '../core/plan.ts';

/**
 * Files that are elsewhere than base has them, new path to old path. Git tells of a rename only until its commit was seen, and a text only
 * while it is not edited, but an item may have to wait for a person: without this, its old path would count as deleted by then.
 */
export type Moved = ReadonlyMap<string, string>;

/** Where the state keeps them. */
export const MOVED_META = 'moved';

export function readMoved(meta: Readonly<Record<string, string>>): Moved {
  const text = meta[MOVED_META];
  return new Map(text === undefined ? [] : (JSON.parse(text) as [string, string][]));
}

/** Null where there are none. */
export function writeMoved(moved: Moved): string | null {
  return moved.size === 0 ? null : JSON.stringify([...moved].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export function movedOf(items: readonly Item[]): Moved {
  return new Map(
    items.flatMap(({ base, file }) => (base && file && file.seen.path !== base.path ? [[file.seen.path, base.path] as const] : [])),
  );
}
