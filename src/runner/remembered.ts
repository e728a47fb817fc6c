import type { Digest } from '../core/digest.ts';
import { keyId } from '../core/match.ts';
import type { Key } from '../core/model.ts';
import type { Item } from '../core/plan.ts';
import type { Hold, OpenConflict } from '../state/state.ts';

/** The item with what the state remembers of this very pair of texts: a conflict nobody settled, an undo that holds it. */
export function withRecords(item: Item, conflicts: readonly OpenConflict[], holds: readonly Hold[]): Item {
  if (conflicts.length + holds.length === 0) return item;
  const { mapping } = item;
  const keys = new Set([item.row?.seen.key, item.base?.key, item.file?.key].flatMap((key) => (key ? [keyId(mapping, key)] : [])));
  const pair: Record<'file' | 'row', Digest | null> = { file: item.file?.text ?? null, row: item.row?.text ?? null };
  const isOfItem = (record: { mapping: string; key: Key; file: Digest | null; row: Digest | null }): boolean =>
    record.mapping === mapping.name && record.file === pair.file && record.row === pair.row && keys.has(keyId(mapping, record.key));
  const openConflict = conflicts.find(isOfItem) ?? null;
  const facts = { ...item.facts, openConflict, held: holds.find(isOfItem) ?? null };
  const then = openConflict?.base;
  if (then === undefined || !item.base || then?.text === item.base.text) return { ...item, facts };
  // Both sides came from this, whatever they agreed on with another branch since.
  return { ...item, base: then && { ...item.base, ...then }, facts: { ...facts, agreedSince: item.base } };
}
