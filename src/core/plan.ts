import type { Direction, Side, Source } from './batch.ts';
import { EMPTY_DIGEST, type Digest } from './digest.ts';
import type { Change } from './manifest.ts';
import type { BaseEntry, FileSeen, Key, Mapping, RowSeen } from './model.ts';
import type { SkipCode } from './skips.ts';

/** The text of an item on each side, as canonical digests; null is absent. */
export interface Texts {
  base: Digest | null;
  file: Digest | null;
  row: Digest | null;
}

export type State = 'in-sync' | 'file-ahead' | 'row-ahead' | 'agreed' | 'conflict';

/** The three-way rule for one item. Pure: the same three sides always give the same answer. */
export function compare({ base, file, row }: Texts): State {
  if (file === row) return file === base ? 'in-sync' : 'agreed';
  if (file === base) return 'row-ahead';
  if (row === base) return 'file-ahead';
  return 'conflict';
}

/** One item with what is known of its three sides. */
export interface Item {
  mapping: Mapping;
  base: BaseEntry | null;
  /** `key` is what the path says, null where the path names no possible row; `home` is where the file of this key belongs, if elsewhere. */
  file: { seen: FileSeen; text: Digest; key: Key | null; home?: string } | null;
  row: { seen: RowSeen; text: Digest; path: string } | null;
  /** Why the item is left alone whatever its texts say. */
  skip: { code: SkipCode; message: string } | null;
  facts: ItemFacts;
}

/** What git and the state folder know of an item. */
export interface ItemFacts {
  /** The pair of texts that was left as a conflict and never settled. */
  openConflict: { file: Digest | null; row: Digest | null; base?: Pick<BaseEntry, 'text' | 'file' | 'row'> | null } | null;
  /** The base the state has by now, where the item's is that of the open conflict. */
  agreedSince: BaseEntry | null;
  /** The pair of texts an undo left behind. */
  held: { file: Digest | null; row: Digest | null } | null;
  unmerged: boolean;
  /** Outside the sparse checkout. */
  sparse: boolean;
  /** The path was tracked and is no longer in the index: git itself removed it. */
  removedFromIndex: boolean;
  /** The text the row would inherit if it did not exist. */
  inherited: Digest | null;
}

export const noFacts: ItemFacts = {
  openConflict: null,
  agreedSince: null,
  held: null,
  unmerged: false,
  sparse: false,
  removedFromIndex: false,
  inherited: null,
};

export interface Policy {
  direction: Direction;
  source: Source;
  /** Settles conflicts. */
  prefer: Side | null;
  /** Makes this side win for every item that is not in sync (`resolve`). */
  settle: Side | null;
}

/** What a batch does to one item. */
export interface Decision {
  item: Item;
  state: State;
  /** The path under which the item is reported. */
  path: string;
  change: { file: Change; row: Change };
  /** Where the text, and where the name, goes. */
  file: FileAction | null;
  row: RowAction | null;
  /** Base is to be set to what both sides hold. */
  adopt: boolean;
  /** A side has something the direction does not carry over. */
  ahead: Side | null;
  /** The file is gone, and nothing shows that it was meant. */
  missing: boolean;
  conflict: boolean;
  skip: { code: SkipCode; message: string } | null;
  loser: Side | null;
}

export type FileAction = { kind: 'write'; path: string; text: Side } | { kind: 'delete' };
export type RowAction = { kind: 'insert' } | { kind: 'update'; key: Key | null; text: boolean } | { kind: 'delete' };

/** Decides what happens to one item. Pure; nothing is ever decided by a time. */
export function planItem(item: Item, policy: Policy): Decision {
  const state = overallState(item);
  const decision: Decision = {
    item,
    state,
    path: item.file?.seen.path ?? item.row?.path ?? item.base?.path ?? '',
    change: { file: fileChange(item), row: rowChange(item) },
    file: null,
    row: null,
    adopt: false,
    ahead: null,
    missing: false,
    conflict: false,
    skip: null,
    loser: null,
  };
  if (item.skip) return { ...decision, skip: item.skip };
  if (state === 'in-sync') return decision;
  if (item.facts.unmerged)
    return { ...decision, skip: { code: 'UNMERGED', message: 'The file has an unmerged change; finish the merge first' } };
  if (item.facts.sparse) return { ...decision, skip: { code: 'SPARSE', message: 'The path is outside the sparse checkout' } };
  if (policy.source !== 'cli' && matches(item.facts.held, item)) {
    return { ...decision, skip: { code: 'HELD', message: 'The item was undone; edit it or name it to go on' } };
  }
  if (state === 'agreed') return { ...decision, adopt: true };
  if (policy.settle) return carry(decision, policy, policy.settle, loserOf(item, policy.settle));
  if (state === 'conflict' || matches(item.facts.openConflict, item)) {
    if (!policy.prefer || !writes(policy.direction, other(policy.prefer))) return { ...decision, state: 'conflict', conflict: true };
    return carry(decision, policy, policy.prefer, other(policy.prefer));
  }
  return carry(decision, policy, state === 'file-ahead' ? 'file' : 'row', null);
}

/** Carries what `winner` has over to the other side; where both moved independently, each its own way. */
function carry(decision: Decision, policy: Policy, winner: Side, loser: Side | null): Decision {
  const { item } = decision;
  if (winner === 'file' ? item.file === null : item.row === null) return carryDeletion(decision, policy, winner, loser);
  if (winner === 'file' ? item.row === null : item.file === null) return carryAddition(decision, policy, winner, loser);
  return carryChanges(decision, policy, winner, loser);
}

function carryDeletion(decision: Decision, policy: Policy, winner: Side, loser: Side | null): Decision {
  const { item } = decision;
  const forced = policy.settle !== null;
  const to = other(winner);
  // What has no base was never on both sides: it is an addition, whoever wins.
  if (!item.base) return { ...decision, ahead: to };
  const missing = winner === 'file' && !item.facts.removedFromIndex;
  const refusal = forbidden(item, to) ?? (item.mapping.delete === 'ignore' && !forced ? deleteIgnored(item) : null);
  if (missing && policy.source !== 'cli') return refusal ? { ...decision, skip: refusal } : { ...decision, missing: true };
  if (!writes(policy.direction, to)) return { ...decision, ahead: winner, missing };
  if (refusal) return { ...decision, skip: refusal };
  return to === 'row' ? { ...decision, row: { kind: 'delete' }, loser } : { ...decision, file: { kind: 'delete' }, loser };
}

function deleteIgnored({ mapping }: Item): Decision['skip'] {
  return { code: 'DELETE_IGNORED', message: `The mapping "${mapping.name}" does not apply deletes` };
}

function carryAddition(decision: Decision, policy: Policy, winner: Side, loser: Side | null): Decision {
  const { item } = decision;
  const to = other(winner);
  if (!writes(policy.direction, to)) return { ...decision, ahead: winner };
  const refusal = forbidden(item, to);
  if (refusal) return { ...decision, skip: refusal };
  if (to === 'file') return { ...decision, file: { kind: 'write', path: item.row?.path ?? decision.path, text: 'row' }, loser };
  if (!item.file?.key)
    return { ...decision, skip: { code: 'WRONG_PATH', message: `The name "${decision.path}" stands for no possible row` } };
  if (!item.base && item.facts.inherited !== null && item.facts.inherited === item.file?.text) {
    return { ...decision, skip: { code: 'INHERITED', message: 'The file equals the text it would inherit' } };
  }
  const { home } = item.file;
  const moves = home !== undefined && writes(policy.direction, 'file') && !forbidden(item, 'file');
  return { ...decision, row: { kind: 'insert' }, file: moves ? { kind: 'write', path: home, text: 'file' } : null, loser };
}

/** Both sides are there. Text and name are independent: each goes where its own change leads. */
function carryChanges(decision: Decision, policy: Policy, winner: Side, loser: Side | null): Decision {
  const { item } = decision;
  const sides = bothSides(item);
  const disputed = policy.settle !== null || compare(textsOf(item)) === 'conflict' || matches(item.facts.openConflict, item);
  const textFrom = item.file?.text === item.row?.text ? null : disputed ? winner : ahead(compare(textsOf(item)));
  const name = compareNames(item);
  const onlyName = textFrom === null && sides.filePath !== sides.rowPath;
  const nameFrom = name === 'conflict' || (policy.settle && onlyName) ? winner : ahead(name);
  const to = { file: textFrom === 'row' || nameFrom === 'row', row: textFrom === 'file' || nameFrom === 'file' };
  let result: Decision = { ...decision, loser };
  let refused: Decision['skip'] = null;
  for (const side of ['file', 'row'] as const) {
    if (!to[side]) continue;
    if (writes(policy.direction, side)) {
      const refusal = emptied(item, textFrom === other(side) ? side : null, policy, disputed);
      if (refusal) return { ...decision, skip: refusal };
      refused = forbidden(item, side);
      if (!refused) continue;
      // What is settled is settled as a whole.
      if (disputed || !to[other(side)]) return { ...decision, skip: refused };
    }
    result = { ...result, ahead: other(side) };
    to[side] = false;
  }
  if (refused && !to.file && !to.row) return { ...decision, skip: refused };
  if (to.file) {
    result.file = {
      kind: 'write',
      path: nameFrom === 'row' ? sides.rowPath : sides.filePath,
      text: textFrom === 'row' ? 'row' : 'file',
    };
  }
  if (to.row) {
    const key = nameFrom === 'file' ? item.file?.key : null;
    if (key === undefined || (nameFrom === 'file' && key === null)) {
      return { ...decision, skip: { code: 'WRONG_PATH', message: `The new name "${sides.filePath}" stands for no possible row` } };
    }
    result.row = { kind: 'update', key, text: textFrom === 'file' };
  }
  return result;
}

/** The overall state of text and name together. */
function overallState(item: Item): State {
  const texts = textsOf(item);
  const text = compare(texts);
  // Deleted on one side and renamed on the other is a conflict, as with an edit; a lookup that was retitled renames no row.
  if (!item.file && text === 'file-ahead' && hasNewKey(item)) return 'conflict';
  if (!item.file || !item.row) return text;
  const name = compareNames(item);
  if (text === 'conflict' || name === 'conflict') return 'conflict';
  const ahead = new Set([text, name].filter((state) => state === 'file-ahead' || state === 'row-ahead'));
  if (ahead.size === 0) return text === 'in-sync' && name === 'in-sync' ? 'in-sync' : 'agreed';
  return ahead.has('file-ahead') ? 'file-ahead' : 'row-ahead';
}

function hasNewKey({ mapping, base, row }: Item): boolean {
  return base !== null && row !== null && mapping.keyColumns.some((column) => base.key[column] !== row.seen.key[column]);
}

export function textsOf(item: Item): Texts {
  return { base: item.base?.text ?? null, file: item.file?.text ?? null, row: item.row?.text ?? null };
}

function compareNames(item: Item): State {
  const { filePath, rowPath } = bothSides(item);
  return compare({ base: item.base?.path ?? null, file: filePath, row: rowPath });
}

function bothSides(item: Item): { filePath: string; rowPath: string } {
  return { filePath: item.file?.seen.path ?? '', rowPath: item.row?.path ?? '' };
}

function ahead(state: State): Side | null {
  return state === 'file-ahead' ? 'file' : state === 'row-ahead' ? 'row' : null;
}

export function other(side: Side): Side {
  return side === 'file' ? 'row' : 'file';
}

function writes(direction: Direction, side: Side): boolean {
  return direction === 'sync' || direction === (side === 'file' ? 'export' : 'import');
}

/** Why the mapping or a preset forbids writing that side. */
export function forbidden(item: Item, side: Side): Decision['skip'] {
  const { mapping } = item;
  if (mapping.direction !== 'both' && mapping.direction !== (side === 'file' ? 'rows-to-files' : 'files-to-rows')) {
    return { code: 'DIRECTION', message: `The mapping "${mapping.name}" goes ${mapping.direction} only` };
  }
  const rule = mapping.rules.readOnly;
  if (side === 'row' && rule) {
    const key = item.row?.seen.key ?? item.file?.key;
    const target = item.file?.key;
    for (const at of [key, target]) {
      const value = at?.[rule.column];
      if (value !== null && value !== undefined && rule.values.includes(value)) {
        return { code: 'READ_ONLY', message: 'The row is read-only here; copy the file to where it may be changed' };
      }
    }
  }
  return null;
}

/** @param disputed whether `--prefer` settles this item; of the others it says nothing */
function emptied(item: Item, side: Side | null, policy: Policy, disputed: boolean): Decision['skip'] {
  if (side === null || item.mapping.empty === 'allow' || policy.settle !== null || (policy.prefer !== null && disputed)) return null;
  const from = side === 'file' ? item.row?.text : item.file?.text;
  const to = side === 'file' ? item.file?.text : item.row?.text;
  if (from !== EMPTY_DIGEST || to === EMPTY_DIGEST) return null;
  return {
    code: 'EMPTY',
    message: `The ${side === 'file' ? 'row' : 'file'} became empty; settle it with \`npx sync-run resolve\` or set "empty": "allow"`,
  };
}

function matches(pair: { file: Digest | null; row: Digest | null } | null, item: Item): boolean {
  return pair !== null && pair.file === (item.file?.text ?? null) && pair.row === (item.row?.text ?? null);
}

function loserOf(item: Item, winner: Side): Side | null {
  return (winner === 'file' ? item.row : item.file) ? other(winner) : null;
}

function fileChange(item: Item): Change {
  return change(item.base, item.file?.text ?? null, item.file?.seen.path ?? null);
}

function rowChange(item: Item): Change {
  return change(item.base, item.row?.text ?? null, item.row?.path ?? null);
}

function change(base: BaseEntry | null, text: Digest | null, path: string | null): Change {
  if (text === null) return base ? 'deleted' : 'same';
  if (!base) return 'added';
  if (path !== base.path) return 'renamed';
  return text === base.text ? 'same' : 'changed';
}
