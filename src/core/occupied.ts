import { keyId, type Refusal } from './match.ts';
import type { Decision } from './plan.ts';

/**
 * Refuses what would land where something else stays: a file on a path that is taken, a row on a key that is taken.
 * What moves away in the same batch makes room; refusing one item may take that room from the next, so it repeats until nothing changes.
 *
 * @param paths every file below the root, mapped or not
 * @param bases the base paths of all items: one that nothing is done about is still looked for there
 */
export function refuseOccupied(
  decisions: readonly Decision[],
  paths: ReadonlySet<string>,
  bases: ReadonlySet<string> = new Set(),
): Decision[] {
  let current = [...decisions];
  for (;;) {
    const taken = new Set(paths);
    const claimed = new Set(bases);
    const keys = new Set<string>();
    for (const decision of current) {
      if (decision.item.base && (decision.file || decision.row || decision.adopt)) claimed.delete(decision.item.base.path);
      const leavesFile =
        decision.file?.kind === 'delete' || (decision.file?.kind === 'write' && decision.file.path !== decision.item.file?.seen.path);
      if (decision.item.file && leavesFile) taken.delete(decision.item.file.seen.path);
      const leavesRow = decision.row?.kind === 'delete' || (decision.row?.kind === 'update' && decision.row.key !== null);
      if (decision.item.row && !leavesRow) keys.add(rowKey(decision, decision.item.row.seen.key));
    }
    let refused = 0;
    current = current.map((decision) => {
      const refusal = occupied(decision, taken, claimed, keys);
      if (!refusal) return decision;
      refused++;
      return { ...decision, file: null, row: null, adopt: false, skip: refusal };
    });
    if (refused === 0) return current;
  }
}

function occupied(decision: Decision, paths: ReadonlySet<string>, claimed: ReadonlySet<string>, keys: ReadonlySet<string>): Refusal | null {
  const { file, row, item } = decision;
  if (file?.kind === 'write' && file.path !== item.file?.seen.path && paths.has(file.path)) {
    return { code: 'OCCUPIED', message: `Another file is at "${file.path}"` };
  }
  if (file?.kind === 'write' && file.path !== item.file?.seen.path && claimed.has(file.path)) {
    return { code: 'OCCUPIED', message: `Another item that is not settled yet belongs at "${file.path}"` };
  }
  const key = row?.kind === 'insert' ? item.file?.key : row?.kind === 'update' ? row.key : null;
  if (key && keys.has(rowKey(decision, key))) return { code: 'OCCUPIED', message: 'Another row has the key that this name stands for' };
  return null;
}

function rowKey(decision: Decision, key: Record<string, string | null>): string {
  return `${decision.item.mapping.name} ${keyId(decision.item.mapping, key)}`;
}
