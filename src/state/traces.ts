import type { Operation } from '../core/batch.ts';
import type { Digest } from '../core/digest.ts';

/** Every digest the operations name: the texts their batch needs as long as it is kept. */
export function digestsOf(operations: readonly Operation[]): Set<Digest> {
  const digests = new Set<Digest | null | undefined>();
  for (const { files, row, base, seen } of operations) {
    for (const { before, after } of files) digests.add(before).add(after);
    digests.add(row?.textBefore).add(row?.textAfter).add(seen.file).add(seen.row);
    for (const entry of [base.before, base.after]) digests.add(entry?.text).add(entry?.file).add(entry?.row);
  }
  digests.delete(null);
  digests.delete(undefined);
  return digests as Set<Digest>;
}

/** Every path the operations name, also the one an item had before. */
export function pathsOf(operations: readonly Operation[]): Set<string> {
  const paths = new Set<string>();
  for (const { path, files, base } of operations) {
    paths.add(path);
    for (const file of files) paths.add(file.path);
    if (base.before) paths.add(base.before.path);
    if (base.after) paths.add(base.after.path);
  }
  return paths;
}

/** What a batch did, in numbers of items. */
export function countsOf(operations: readonly Operation[]): { files: number; rows: number; conflicts: number } {
  const counts = { files: 0, rows: 0, conflicts: 0 };
  for (const { files, row, outcome } of operations) {
    if (outcome === 'conflict') counts.conflicts++;
    if (outcome) continue;
    if (files.length > 0) counts.files++;
    if (row) counts.rows++;
  }
  return counts;
}
