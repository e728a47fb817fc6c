import type { Digest } from './digest.ts';
import type { FileSide, RowSide } from './match.ts';
import type { BaseEntry } from './model.ts';

export interface MovedOutFindings {
  base: readonly BaseEntry[];
  /** Whether a file that was not found is known not to be there. */
  isGone(entry: BaseEntry): boolean;
  rows: readonly RowSide[];
  /** Of the mapping: those an exclude pattern matches, and the others. */
  files: { excluded: readonly FileSide[]; others: readonly FileSide[] };
  /** New path to old path. */
  renames: ReadonlyMap<string, string>;
}

/**
 * Items whose file was moved to where an exclude pattern matches, with that path. They are out of scope then, as a row is that was renamed
 * so: the file is not gone, and its row is not to be deleted. Git or an earlier look says so, or the text both sides agreed on, where just
 * one such item lacks its file and just one file that base does not know has that text.
 */
export function movedOut({ base, isGone, rows, files, renames }: MovedOutFindings): Map<BaseEntry, string> {
  const found = new Map<BaseEntry, string>();
  if (files.excluded.length === 0) return found;
  const present = new Set([...files.excluded, ...files.others].map(({ seen }) => seen.path));
  const withRow = new Set(rows.map(({ seen }) => seen.pk));
  const lost = base.filter((entry) => !present.has(entry.path) && withRow.has(entry.pk) && isGone(entry));
  if (lost.length === 0) return found;
  const targets = new Map([...renames].map(([to, from]) => [from, to]));
  const excluded = new Set(files.excluded.map(({ seen }) => seen.path));
  const known = new Set(base.map(({ path }) => path));
  const appeared = Map.groupBy(
    [...files.excluded, ...files.others].filter(({ seen }) => !known.has(seen.path)),
    ({ text }) => text,
  );
  const lacking = Map.groupBy(lost, ({ text }): Digest => text);
  for (const entry of lost) {
    const told = targets.get(entry.path);
    const [only, another] = appeared.get(entry.text) ?? [];
    const sameText = only && !another && lacking.get(entry.text)?.length === 1 ? only.seen.path : undefined;
    const to = told !== undefined && present.has(told) ? told : sameText;
    if (to !== undefined && excluded.has(to)) found.set(entry, to);
  }
  return found;
}
