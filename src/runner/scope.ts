import picomatch from 'picomatch';
import type { FileSide, RowSide } from '../core/match.ts';
import type { BaseEntry, Mapping } from '../core/model.ts';
import { movedOut } from '../core/moved-out.ts';
import type { Skip } from '../core/skips.ts';
import type { Moved } from './moved.ts';

/** What is known of one mapping. */
export interface Sides {
  base: readonly BaseEntry[];
  rows: readonly RowSide[];
  files: readonly FileSide[];
}

export interface Scope {
  base: BaseEntry[];
  rows: RowSide[];
  files: FileSide[];
  /** What an exclude pattern has left out. */
  skips: Skip[];
  /** Of these, files that took their item along, new path to old path. */
  movedOut: Moved;
}

/** Says which paths an `exclude` pattern takes out of the mapping. */
export function excluder(mapping: Mapping, root: string): (path: string | null) => boolean {
  if (mapping.exclude.length === 0) return () => false;
  const isMatch = picomatch(mapping.exclude, { dot: true });
  return (path) => path !== null && path.startsWith(`${root}/`) && isMatch(path.slice(root.length + 1));
}

/**
 * Parts what a mapping looks at from what its `exclude` patterns leave out. An item of which one side was moved out is out of scope with
 * its other side: nothing of it is gone.
 *
 * @param isGone whether a file that was not found is known not to be there
 */
export function scopeOf(
  { mapping, root }: { mapping: Mapping; root: string },
  { base, rows, files }: Sides,
  renames: ReadonlyMap<string, string>,
  isGone: (entry: BaseEntry) => boolean,
): Scope {
  if (mapping.exclude.length === 0) return { base: [...base], rows: [...rows], files: [...files], skips: [], movedOut: new Map() };
  const isExcluded = excluder(mapping, root);
  const outside = { rows: rows.filter(({ path }) => isExcluded(path)), files: files.filter(({ seen }) => isExcluded(seen.path)) };
  const out = new Set<RowSide | FileSide>([...outside.rows, ...outside.files]);
  const inside = { rows: rows.filter((row) => !out.has(row)), files: files.filter((file) => !out.has(file)) };
  const left = [...outside.rows.map(({ path }) => path ?? ''), ...outside.files.map(({ seen }) => seen.path)];
  const skips = [...new Set(left)].map((path): Skip => ({ path, code: 'EXCLUDED', message: 'An exclude pattern matches' }));

  const byRow = new Set(outside.rows.map(({ seen }) => seen.pk));
  const leftBehind = new Set(base.filter(({ pk }) => byRow.has(pk)).map(({ path }) => path));
  const known = base.filter(({ path, pk }) => !isExcluded(path) && !byRow.has(pk));
  const byFile = movedOut({ base: known, isGone, rows, files: { excluded: outside.files, others: inside.files }, renames });
  for (const [{ path }, to] of byFile)
    skips.push({ path, code: 'EXCLUDED', message: `Its file was moved to "${to}", which an exclude pattern matches` });
  const rowsLeftBehind = new Set([...byFile.keys()].map(({ pk }) => pk));
  return {
    base: known.filter((entry) => !byFile.has(entry)),
    rows: inside.rows.filter(({ seen }) => !rowsLeftBehind.has(seen.pk)),
    files: inside.files.filter(({ seen }) => !leftBehind.has(seen.path)),
    skips,
    movedOut: new Map([...byFile].map(([{ path }, to]) => [to, path])),
  };
}
