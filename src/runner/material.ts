import type { CheckedMapping } from '../config/check.ts';
import { digest, type Digest } from '../core/digest.ts';
import { keyId, type Refusal } from '../core/match.ts';
import type { Key, RowImage, Stamp } from '../core/model.ts';
import { canonical } from '../core/newlines.ts';
import type { Decision } from '../core/plan.ts';
import { mybbVersion } from '../presets/mybb-version.ts';
import type { Tombstone } from '../state/state.ts';
import type { LockedRow, Session } from '../store/store.ts';
import { readBytes } from '../tree/read.ts';
import type { Context } from './context.ts';
import type { Material, StampsOf } from './operations.ts';
import { itemId, mergedText } from './plan-batch.ts';
import { baseText } from './read-base.ts';
import { referenced } from './referenced.ts';
import type { Request } from './request.ts';
import type { Snapshot } from './snapshot.ts';
import { Unstable } from './unstable.ts';

/**
 * Reads everything the operations need and checks what can be known before anything is written.
 *
 * @returns the material, and the items that cannot be written, with the reason
 * @throws {Unstable} if a file or row is no longer what the snapshot saw
 */
export async function gather(
  context: Context,
  snapshot: Snapshot,
  decisions: readonly Decision[],
  request: Request,
): Promise<{ material: Material; refused: Map<string, Refusal> }> {
  const { texts } = snapshot;
  const acting = decisions.filter((decision) => decision.file || decision.row || decision.adopt);
  if (acting.length === 0) return { material: nothing(texts), refused: new Map() };
  await readFiles(context, acting, texts);
  const material = await context.store.read(async (session) => ({
    texts,
    rows: await readRows(context, session, acting, texts),
    stamps: await readStamps(context, session, acting),
    tombstones: await readTombstones(context, acting, texts),
    merged: new Map(
      acting.flatMap((decision) => {
        const text = mergedText(decision, request);
        return text ? [[decision.path, text] as const] : [];
      }),
    ),
  }));
  for (const decision of acting) keepCanonical(decision, texts);
  return { material, refused: await findRefused(context, acting, material) };
}

function nothing(texts: Material['texts']): Material {
  return { texts, rows: new Map(), stamps: new Map(), tombstones: [], merged: new Map() };
}

async function readFiles(context: Context, decisions: readonly Decision[], texts: Map<Digest, Uint8Array>): Promise<void> {
  const wanted = decisions.flatMap(({ item, adopt }) =>
    item.file && !(adopt && texts.has(item.file.seen.digest)) ? [item.file.seen] : [],
  );
  const bytes = await readBytes(
    context.repository.top,
    wanted.map((seen) => seen.path),
  );
  for (const seen of wanted) {
    const found = bytes.get(seen.path);
    if (!found || digest(found) !== seen.digest) throw new Unstable(`The file "${seen.path}" changed while the batch was planned`);
    texts.set(seen.digest, found);
  }
}

async function readRows(
  context: Context,
  session: Session,
  decisions: readonly Decision[],
  texts: Map<Digest, Uint8Array>,
): Promise<Map<string, Map<string, LockedRow>>> {
  const found = new Map<string, Map<string, LockedRow>>();
  for (const { mapping, shape } of context.mappings) {
    const own = decisions.filter((decision) => decision.item.mapping.name === mapping.name);
    const whole = own.flatMap(({ item, row }) => (item.row && row ? [item.row.seen] : []));
    const rows = await session.lock(
      shape,
      whole.map((seen) => seen.pk),
    );
    for (const seen of whole) {
      const row = rows.get(seen.pk);
      if (!row?.inScope || row.digest !== seen.digest) throw new Unstable(`A row of "${shape.table}" changed while the batch was planned`);
      texts.set(row.digest, row.text);
    }
    found.set(mapping.name, rows);
    const wanted = own.flatMap(({ item, row, file }) =>
      item.row && !row && file && !texts.has(item.row.seen.digest) ? [item.row.seen] : [],
    );
    const seenBy = new Map(wanted.map((seen) => [seen.pk, seen]));
    for await (const chunk of session.texts(shape, [...seenBy.keys()])) {
      for (const { pk, text } of chunk) {
        const key = digest(text);
        if (seenBy.get(pk)?.digest === key) seenBy.delete(pk);
        texts.set(key, text);
      }
    }
    if (seenBy.size > 0) throw new Unstable(`${seenBy.size} rows of "${shape.table}" changed while the batch was planned`);
  }
  return found;
}

/** Rows that were deleted and come back. How their newlines were, only their texts say. */
async function readTombstones(context: Context, decisions: readonly Decision[], texts: Map<Digest, Uint8Array>): Promise<Tombstone[]> {
  const coming = new Set(decisions.filter(({ row }) => row?.kind === 'insert').map(({ item }) => itemId(item)));
  if (coming.size === 0) return [];
  const mappings = new Map(context.mappings.map(({ mapping }) => [mapping.name, mapping]));
  const tombstones = (await context.state.tombstones()).filter(({ mapping: name, key }) => {
    const mapping = mappings.get(name);
    return mapping && coming.has(`${name} ${keyId(mapping, key)}`);
  });
  const lf = tombstones.filter(({ mapping }) => mappings.get(mapping)?.newlines === 'lf');
  for (const [key, bytes] of await context.state.blobs(lf.map(({ text }) => text))) texts.set(key, bytes);
  return tombstones;
}

async function readStamps(context: Context, session: Session, decisions: readonly Decision[]): Promise<Material['stamps']> {
  const stamps = new Map<string, StampsOf>();
  for (const checked of context.mappings) {
    const { mapping } = checked;
    if (!decisions.some((decision) => decision.row && decision.item.mapping.name === mapping.name)) continue;
    const touch = await stampAll(context, session, checked, mapping.touch);
    const insert = await stampAll(context, session, checked, mapping.insert);
    stamps.set(mapping.name, (key) => ({ touch: touch(key), insert: insert(key) }));
  }
  return stamps;
}

/** Reads the values to stamp once; one that depends on the item is looked up by its key. */
async function stampAll(
  context: Context,
  session: Session,
  { mapping, table }: CheckedMapping,
  stamps: Record<string, Stamp>,
): Promise<(key: Key) => RowImage> {
  const image: RowImage = {};
  const byKey = new Map<string, (key: Key) => string>();
  for (const [name, stamp] of Object.entries(stamps)) {
    const column = table.columns.find((candidate) => candidate.name === name);
    if (!column) continue;
    if (typeof stamp === 'object' && stamp !== null && 'from' in stamp) {
      const versionOf = await mybbVersion(session, mapping.table, await context.store.tables());
      byKey.set(name, (key) => versionOf(key.title ?? ''));
    } else image[name] = await session.stamp(column, stamp);
  }
  return (key) => ({ ...image, ...Object.fromEntries([...byKey].map(([name, valueOf]) => [name, { s: valueOf(key) }])) });
}

/** Base texts are kept with canonical newlines, so that a merge finds them. */
function keepCanonical({ item }: Decision, texts: Map<Digest, Uint8Array>): void {
  if (item.mapping.newlines === 'exact') return;
  for (const seen of [item.file?.seen, item.row?.seen]) {
    const bytes = seen && texts.get(seen.digest);
    if (!bytes) continue;
    const text = canonical(bytes, 'lf');
    texts.set(digest(text), text);
  }
}

const MARKERS = /^<{7} .*$[^]*^={7}$[^]*^>{7} /m;

/** Items whose text or key the database cannot take, and files in the middle of a merge. */
async function findRefused(context: Context, decisions: readonly Decision[], material: Material): Promise<Map<string, Refusal>> {
  const refused = new Map<string, Refusal>();
  for (const checked of context.mappings) {
    const own = decisions.filter(({ item, row }) => row && item.mapping.name === checked.mapping.name);
    const writing = own.flatMap((decision) => {
      const bytes = material.merged.get(decision.path) ?? material.texts.get(decision.item.file?.seen.digest ?? '');
      return bytes && writesText(decision) ? [{ decision, bytes }] : [];
    });
    const reasons = await context.store.unfit(
      checked.table,
      checked.mapping.content,
      writing.map(({ bytes }) => bytes),
    );
    for (const [index, { decision, bytes }] of writing.entries()) {
      const reason = reasons[index] ?? (await markers(context, decision, bytes, material.texts));
      if (reason) refused.set(itemId(decision.item), reason);
    }
    findUnreadable(checked, decisions, material, refused);
    await findUnfitKeys(context, checked, own, refused);
    await findReferenced(context, checked, own, material, refused);
  }
  return refused;
}

/** Texts of rows that no file can hold as text; see the MySQL dialect's bytes. */
function findUnreadable(
  { mapping, table }: CheckedMapping,
  decisions: readonly Decision[],
  { texts }: Material,
  refused: Map<string, Refusal>,
): void {
  const column = table.columns.find(({ name }) => name === mapping.content);
  if (!column?.charset) return;
  const message = `The column "${column.name}" (${column.charset}) holds a character that Unicode lacks`;
  for (const { item, file } of decisions) {
    if (item.mapping.name !== mapping.name || file?.kind !== 'write' || file.text !== 'row') continue;
    if (texts.get(item.row?.seen.digest ?? '')?.[0] === 0xff) refused.set(itemId(item), { code: 'INVALID_TEXT', message });
  }
}

function writesText({ row }: Decision): boolean {
  return row?.kind === 'insert' || (row?.kind === 'update' && row.text);
}

/** New keys that their columns cannot hold. */
async function findUnfitKeys(
  context: Context,
  { table }: CheckedMapping,
  decisions: readonly Decision[],
  refused: Map<string, Refusal>,
): Promise<void> {
  const encoder = new TextEncoder();
  for (const { name, text } of table.columns) {
    if (text === null) continue;
    const values = decisions.flatMap(({ item, row }) => {
      const key = row?.kind === 'insert' ? item.file?.key : row?.kind === 'update' ? row.key : null;
      const value = key?.[name] ?? null;
      return value === null ? [] : [{ item, bytes: encoder.encode(value) }];
    });
    if (values.length === 0) continue;
    const reasons = await context.store.unfit(
      table,
      name,
      values.map(({ bytes }) => bytes),
    );
    for (const [index, { item }] of values.entries()) {
      const reason = reasons[index];
      if (reason && !refused.has(itemId(item)))
        refused.set(itemId(item), { ...reason, message: `The name cannot be a key: ${reason.message}` });
    }
  }
}

/** Conflict markers count only where they are new: a text about merging may have held some all along. */
async function markers(context: Context, { item }: Decision, bytes: Uint8Array, texts: Material['texts']): Promise<Refusal | null> {
  if (!MARKERS.test(decode(bytes))) return null;
  const base = await baseText(context, texts, item.base);
  if (base && MARKERS.test(decode(base))) return null;
  return { code: 'UNMERGED', message: 'The file has conflict markers; finish the merge first' };
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function findReferenced(
  context: Context,
  { table, mapping }: CheckedMapping,
  decisions: readonly Decision[],
  material: Material,
  refused: Map<string, Refusal>,
): Promise<void> {
  const leaving = decisions.filter(({ row }) => row?.kind === 'delete' || (row?.kind === 'update' && row.key !== null));
  if (table.pointing.length === 0 || leaving.length === 0) return;
  await context.store.read(async (session) => {
    for (const { item, row: action } of leaving) {
      const row = material.rows.get(mapping.name)?.get(item.row?.seen.pk ?? '');
      const names = row && action?.kind === 'update' && action.key ? { before: row.key, after: action.key } : undefined;
      const refusal = row && (await referenced(session, table, row.image, names));
      if (refusal) refused.set(itemId(item), refusal);
    }
  });
}
