import type { Operation } from '../core/batch.ts';
import type { Decision } from '../core/plan.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * Files that are elsewhere than base has them, new path to old path. Git tells of a rename only until its commit was seen, and a text only
 * while it is not edited, but an item may have to wait for a person: without this, its old path would count as deleted by then.
 */
export type Moved = ReadonlyMap<string, string>;

/** Where the state keeps them. */
const NAME = 'moved';

/** What forgets them all. */
export const noneMoved = { [NAME]: null };

export function readMoved(meta: Readonly<Record<string, string>>): Moved {
  const text = meta[NAME];
  return new Map(text === undefined ? [] : (JSON.parse(text) as [string, string][]));
}

/** What of the state has to change for these. */
function changed(meta: Readonly<Record<string, string>>, moved: Moved): Record<string, string | null> {
  const text = moved.size === 0 ? null : JSON.stringify([...moved].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return text === (meta[NAME] ?? null) ? {} : { [NAME]: text };
}

/** What a run has to change: it leaves items where they are that it does not carry over, and those that were moved out of scope. */
export function movedByRun({ items, movedOut, meta }: Snapshot, decisions: readonly Decision[]): Record<string, string | null> {
  if (movedOut === null) return {};
  const carried = new Set(decisions.filter(({ file, row, adopt }) => file || row || adopt).map(({ item }) => item));
  const left = items.flatMap((item): [string, string][] => {
    const { base, file } = item;
    return base && file && file.seen.path !== base.path && !carried.has(item) ? [[file.seen.path, base.path]] : [];
  });
  return changed(meta, new Map([...left, ...movedOut]));
}

/** What an undo has to change: files may stay where base does not have them any more, or be where it has them again. */
export function movedByUndo(meta: Readonly<Record<string, string>>, operations: readonly Operation[]): Record<string, string | null> {
  const moved = new Map(readMoved(meta));
  for (const { base, files } of operations) {
    const [known] = [...moved].find(([, from]) => from === base.before?.path) ?? [];
    const path = files.findLast(({ after }) => after !== null)?.path ?? known ?? base.before?.path;
    if (path === undefined || !base.after) continue;
    if (path === base.after.path) moved.delete(path);
    else moved.set(path, base.after.path);
  }
  return changed(meta, moved);
}
