import type { CheckedMapping } from '../config/check.ts';
import type { FileChange, Operation, RowChange } from '../core/batch.ts';
import { digest, type Digest } from '../core/digest.ts';
import { keyId } from '../core/match.ts';
import type { BaseEntry, Key, Mapping, PrimaryKey, RowImage } from '../core/model.ts';
import { canonical, toRowNewlines } from '../core/newlines.ts';
import type { Decision } from '../core/plan.ts';
import type { Table } from '../core/table.ts';
import type { Tombstone } from '../state/state.ts';
import type { LockedRow } from '../store/store.ts';

const NEW_FILE_MODE = 0o644;

/** What was read for the operations: everything by the digest of its bytes, rows whole, values for stamped columns. */
export interface Material {
  texts: Map<Digest, Uint8Array>;
  /** By mapping and primary key. */
  rows: ReadonlyMap<string, ReadonlyMap<string, LockedRow>>;
  /** Values to write into `touch` and `insert` columns, by mapping. */
  stamps: ReadonlyMap<string, StampsOf>;
  tombstones: readonly Tombstone[];
  /** Merged texts, by path; they go to both sides. */
  merged: ReadonlyMap<string, Uint8Array>;
}

/** The values for one item's `touch` and `insert` columns. */
export type StampsOf = (key: Key) => { touch: RowImage; insert: RowImage };

/** Turns one decision into what is to be done on both sides, with the images that undo and recovery need. */
export function toOperation(decision: Decision, { mapping, table }: CheckedMapping, material: Material): Operation {
  const { item } = decision;
  const { texts } = material;
  const merged = material.merged.get(decision.path) ?? null;
  const take = (key: Digest): Uint8Array => {
    const bytes = texts.get(key);
    if (!bytes) throw new Error(`No text was read for ${key}`);
    return bytes;
  };
  const keep = (bytes: Uint8Array): Digest => {
    const key = digest(bytes);
    texts.set(key, bytes);
    return key;
  };
  const locked = item.row ? material.rows.get(mapping.name)?.get(item.row.seen.pk) : undefined;
  const key = (decision.row?.kind === 'update' && decision.row.key) || item.row?.seen.key || item.file?.key || item.base?.key || {};

  const files: FileChange[] = [];
  let fileAfter = item.file?.seen.digest ?? null;
  let path = item.file?.seen.path ?? null;
  if (decision.file?.kind === 'delete' && item.file) {
    files.push(fileChange(item.file.seen.path, item.file.seen.digest, null, item.file.seen.mode));
    fileAfter = null;
  } else if (decision.file?.kind === 'write') {
    const mode = item.file?.seen.mode ?? NEW_FILE_MODE;
    const from = decision.file.text === 'row' ? item.row?.seen.digest : item.file?.seen.digest;
    const bytes = merged ?? take(from ?? '');
    fileAfter = keep(decision.file.text === 'row' ? canonical(bytes, mapping.newlines) : bytes);
    path = decision.file.path;
    const moved = item.file && item.file.seen.path !== path;
    if (moved && item.file) files.push(fileChange(item.file.seen.path, item.file.seen.digest, null, mode));
    files.push(fileChange(path, moved ? null : (item.file?.seen.digest ?? null), fileAfter, mode));
  }

  let row: RowChange | null = null;
  let rowAfter = item.row?.seen.digest ?? null;
  const stamps = material.stamps.get(mapping.name)?.(key) ?? { touch: {}, insert: {} };
  if (decision.row?.kind === 'delete' && item.row) {
    row = rowChange('delete', table.name, mapping.content, item.row.seen.pk, item.row.seen.key, locked ?? null);
    rowAfter = null;
  } else if (decision.row?.kind === 'update' && item.row) {
    row = rowChange('update', table.name, mapping.content, item.row.seen.pk, key, locked ?? null);
    if (decision.row.key) {
      row.keyBefore = item.row.seen.key;
      row.set = keyImage(decision.row.key);
    }
    if (decision.row.text) {
      const bytes = canonical(merged ?? take(item.file?.seen.digest ?? ''), mapping.newlines);
      rowAfter = keep(mapping.newlines === 'lf' ? toRowNewlines(bytes, take(item.row.seen.digest)) : bytes);
    }
    row.textAfter = rowAfter;
    row.set = { ...row.set, ...stamps.touch };
  } else if (decision.row?.kind === 'insert' && item.file) {
    row = rowChange('insert', table.name, mapping.content, null, key, null);
    const buried = material.tombstones.find((tomb) => isSame(tomb, mapping, table.name, key));
    const bytes = canonical(take(item.file.seen.digest), mapping.newlines);
    rowAfter = keep(mapping.newlines === 'lf' ? toRowNewlines(bytes, texts.get(buried?.text ?? '') ?? null) : bytes);
    row.textAfter = rowAfter;
    row.set = insertImage(mapping, key, rowAfter, stamps, buried && { ...buried, image: writable(table, buried.image) });
    row.pk = buried ? primaryKeyOf(table.primaryKey, row.set) : null;
  }

  const text = finalText(decision, { fileAfter, rowAfter }, texts, mapping.newlines);
  const after: BaseEntry | null =
    fileAfter === null || rowAfter === null || text === null
      ? null
      : {
          mapping: mapping.name,
          pk: item.row?.seen.pk ?? '',
          ...agreedName(decision, path ?? decision.path, key),
          fingerprint: mapping.fingerprint,
          ...text,
        };
  return {
    mapping: mapping.name,
    key,
    path: path ?? decision.path,
    files,
    row,
    base: { before: item.base, after },
    loser: decision.loser,
    seen: { file: item.file?.seen.digest ?? null, row: item.row?.seen.digest ?? null },
  };
}

/** What both sides call the item once the operation is done; still the old name where only one of them has a new one. */
function agreedName({ item, row }: Decision, filePath: string, key: Key): Pick<BaseEntry, 'path' | 'key'> {
  const isNamed = row?.kind === 'insert' || (row?.kind === 'update' && row.key !== null);
  const rowPath = isNamed ? filePath : item.row?.path;
  return rowPath === filePath || !item.base ? { path: filePath, key } : { path: item.base.path, key: item.base.key };
}

/** What both sides have agreed on once the operation is done: the new text, or still the old one where only a name moved. */
function finalText(
  decision: Decision,
  { fileAfter, rowAfter }: { fileAfter: Digest | null; rowAfter: Digest | null },
  texts: Map<Digest, Uint8Array>,
  newlines: 'exact' | 'lf',
): Pick<BaseEntry, 'text' | 'file' | 'row'> | null {
  if (fileAfter === null || rowAfter === null) return null;
  const of = (key: Digest): Digest => {
    const bytes = texts.get(key);
    return bytes && newlines === 'lf' ? digest(canonical(bytes, 'lf')) : key;
  };
  const file = decision.item.file?.seen.digest === fileAfter ? decision.item.file.text : of(fileAfter);
  const row = decision.item.row?.seen.digest === rowAfter ? decision.item.row.text : of(rowAfter);
  if (file === row) return { text: file, file: fileAfter, row: rowAfter };
  const { base } = decision.item;
  return base && { text: base.text, file: base.file, row: base.row };
}

/** The base of an item whose sides were found equal. */
export function adopted(decision: Decision): BaseEntry | null {
  const { item } = decision;
  if (!item.file || !item.row) return null;
  return {
    mapping: item.mapping.name,
    pk: item.row.seen.pk,
    key: item.row.seen.key,
    path: item.row.path,
    fingerprint: item.mapping.fingerprint,
    text: item.row.text,
    file: item.file.seen.digest,
    row: item.row.seen.digest,
  };
}

/** Whether the entry is over once `after` is there: entries are kept by mapping and primary key, and a row made anew has another one. */
export function isSuperseded(before: BaseEntry, after: BaseEntry | null): boolean {
  return !after || after.pk !== before.pk || after.mapping !== before.mapping;
}

/**
 * Where one operation takes a file away and another puts one in the same place (a swap, a chain of renames), the two are one
 * replacement: it is recorded where the file arrives.
 */
export function joinFileChanges(operations: Operation[]): void {
  const arrivals = new Map<string, FileChange>();
  for (const { files } of operations) for (const change of files) if (change.before === null) arrivals.set(change.path, change);
  for (const operation of operations) {
    operation.files = operation.files.filter((change) => {
      const arrival = change.after === null ? arrivals.get(change.path) : undefined;
      if (!arrival) return true;
      arrival.before = change.before;
      arrival.mode = change.mode;
      return false;
    });
  }
}

function fileChange(path: string, before: Digest | null, after: Digest | null, mode: number): FileChange {
  return { path, before, after, mode, temp: null, kept: null };
}

function rowChange(
  kind: RowChange['kind'],
  table: string,
  content: string,
  pk: string | null,
  key: Key,
  locked: LockedRow | null,
): RowChange {
  const before = locked && withoutText(locked.image, content);
  return {
    kind,
    table,
    content,
    pk,
    key,
    keyBefore: null,
    textBefore: locked?.digest ?? null,
    textAfter: null,
    before,
    set: {},
  };
}

/** The text of a row is kept once, as a blob; its image holds the other columns, and says where the text was NULL. */
export function withoutText(image: RowImage, content: string): RowImage {
  return Object.fromEntries(Object.entries(image).filter(([column, value]) => column !== content || value === null));
}

export function keyImage(key: Key): RowImage {
  return Object.fromEntries(Object.entries(key).map(([column, value]) => [column, value === null ? null : { s: value }]));
}

/** A row that the tool once deleted comes back whole, stamped only if its text is another; a new one gets its constants. */
function insertImage(
  { where }: Pick<Mapping, 'where'>,
  key: Key,
  text: Digest,
  stamps: ReturnType<StampsOf>,
  buried: Tombstone | undefined,
): RowImage {
  const constants: RowImage = {};
  for (const [column, value] of Object.entries(where)) constants[column] = value === null ? null : { s: literal(value) };
  return { ...(buried?.image ?? stamps.insert), ...constants, ...keyImage(key), ...(buried?.text === text ? {} : stamps.touch) };
}

/** Those of the values that the table still has a column for, one that can be written. */
export function writable({ columns }: Pick<Table, 'columns'>, image: RowImage): RowImage {
  const known = new Set(columns.filter(({ generated }) => !generated).map(({ name }) => name));
  return Object.fromEntries(Object.entries(image).filter(([name]) => known.has(name)));
}

/** Null where the image lacks a part of the key, which the database then makes up. */
function primaryKeyOf(columns: readonly string[], image: RowImage): PrimaryKey | null {
  const parts: unknown[] = [];
  for (const column of columns) {
    const value = image[column];
    if (!value) return null;
    parts.push('s' in value ? value.s : 'n' in value ? String(value.n) : value);
  }
  return JSON.stringify(parts);
}

export function isSame(tomb: Tombstone, mapping: { name: string; keyColumns: string[] }, table: string, key: Key): boolean {
  return tomb.mapping === mapping.name && tomb.table === table && keyId(mapping, tomb.key) === keyId(mapping, key);
}

function literal(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? '1' : '0') : String(value);
}
