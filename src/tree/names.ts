import type { FileChange } from '../core/batch.ts';
import { SyncError } from '../core/errors.ts';
import { checkPath, OWN_PREFIX } from '../core/safe-path.ts';

const OWN_NAME = new RegExp(`^${OWN_PREFIX.replaceAll('.', '\\.')}[0-9a-f]{8}-[0-9]+\\.(?:new|old)$`);

/** Whether sync-run made a file of this name (its last segment) for a batch. */
export function isOwnName(name: string): boolean {
  return OWN_NAME.test(name);
}

/**
 * The changes with the names of their temporary files. The names follow from the txid and the order of the changes, so that
 * the intent can hold them before any file is made. All changes of a batch go in at once.
 */
export function assignNames(txid: string, changes: readonly FileChange[]): FileChange[] {
  const prefix = `${OWN_PREFIX}${txid.slice(0, 8)}`;
  return changes.map((change, index) => ({
    ...change,
    temp: change.after === null ? null : `${prefix}-${index}.new`,
    kept: change.before === null ? null : `${prefix}-${index}.old`,
  }));
}

/**
 * Refuses a batch that would touch what it must not: a stored intent is checked again before it is replayed.
 *
 * @throws {SyncError} `INTERNAL`
 */
export function checkChanges(changes: readonly FileChange[]): void {
  for (const { path, temp, kept, before, after } of changes) {
    const reason = checkPath(path);
    if (reason !== null) throw new SyncError('INTERNAL', `Refused to write "${path}": it ${reason}`);
    const named = (name: string | null, needed: boolean): boolean => (name === null ? !needed : isOwnName(name));
    if (!named(temp, after !== null) || !named(kept, before !== null)) {
      throw new SyncError('INTERNAL', `Refused to write "${path}": its temporary files have no proper names`);
    }
  }
}
