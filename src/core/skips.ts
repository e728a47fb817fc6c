/**
 * Why one item was left alone while the rest of its batch went on.
 * `policy: true` means a rule somebody chose; such items are listed but do not change the exit code.
 */
export const skipCodes = {
  WRONG_PATH: { policy: false, means: 'the file name is not the one its key has; the right path is named' },
  UNSAFE_PATH: { policy: false, means: 'the path could harm a git working tree on some platform' },
  NAME_TOO_LONG: { policy: false, means: 'a path segment is longer than 255 bytes, or a path longer than 4,000' },
  EMPTY_NAME: { policy: false, means: 'a key column is empty or NULL, or the primary key is NULL' },
  COLLISION: { policy: false, means: 'two paths are the same on some file system' },
  OCCUPIED: { policy: false, means: 'something else is where the file or row would go' },
  DUPLICATE_KEY: { policy: false, means: 'two rows have the same key' },
  UNKNOWN_LOOKUP: { policy: false, means: 'a lookup has no name for the row, or no row for the name' },
  AMBIGUOUS_LOOKUP: { policy: false, means: 'a lookup name stands for two rows' },
  SYMLINK: { policy: false, means: 'the path is, or leads through, a symbolic link' },
  NOT_A_FILE: { policy: false, means: 'the path is not a regular file' },
  UNREADABLE: { policy: false, means: 'the file could not be read' },
  INVALID_TEXT: { policy: false, means: 'the text is not valid UTF-8, or has a character the column, or Unicode, does not have' },
  TOO_LONG: { policy: false, means: 'the text or key is longer than the column holds' },
  EMPTY: { policy: false, means: 'the text became empty on one side' },
  REFERENCED: { policy: false, means: 'rows of other tables would be deleted or changed with the row' },
  CHANGED_BY_DATABASE: { policy: false, means: 'the database stored something else than was written' },
  REFUSED_BY_DATABASE: { policy: false, means: 'the database refused the row' },
  UNMERGED: { policy: false, means: 'the file has conflict markers or an unmerged index entry' },
  MOVED: { policy: false, means: 'the file or row changed while the batch ran' },
  READ_ONLY: { policy: true, means: 'the item is read-only' },
  DIRECTION: { policy: true, means: 'the mapping does not write that side' },
  DELETE_IGNORED: { policy: true, means: 'the mapping does not apply deletes' },
  INHERITED: { policy: true, means: 'the file equals the text it would inherit' },
  EXCLUDED: { policy: true, means: 'an exclude pattern matches' },
  ORPHANED: { policy: true, means: 'the row belongs to a set that does not exist' },
  SPARSE: { policy: true, means: 'the path is outside the sparse checkout' },
  PARTLY_STAGED: { policy: true, means: 'the file is only partly staged' },
  UNSETTLED: { policy: true, means: 'the file is being written at this moment' },
  HELD: { policy: true, means: 'the item was undone and waits for an edit' },
} as const;

export type SkipCode = keyof typeof skipCodes;

export interface Skip {
  /** Path from the repository root, `/`-separated; for a row that has none, `table` and key in words. */
  path: string;
  code: SkipCode;
  message: string;
}

/** Whether the item needs a person (and so makes the exit code 1). */
export function needsPerson(skip: Skip): boolean {
  return !skipCodes[skip.code].policy;
}

/** Why nothing is known of the file at this path: it, or a folder above it, could not be read. */
export function skipAt(skips: ReadonlyMap<string, Skip>, path: string): Skip | undefined {
  if (skips.size === 0) return undefined;
  return skips.get(path) ?? [...skips.values()].find((at) => path.startsWith(`${at.path}/`));
}
