import type { CheckedMapping } from '../config/check.ts';
import { refuseBlocked, refuseCollisions, refuseDuplicates, refuseUnsafe } from '../core/blocked.ts';
import { digest, type Digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import { keyOf, type Lookups, type Names, pathOf, readNames } from '../core/item-path.ts';
import { type FileSide, keyId, match, type Refusal, type RowSide } from '../core/match.ts';
import { type BaseEntry, type FileSeen, isComplete, type Mapping, type RowSeen } from '../core/model.ts';
import { canonical } from '../core/newlines.ts';
import type { Item } from '../core/plan.ts';
import { type Skip, skipAt } from '../core/skips.ts';
import type { Hold, OpenConflict } from '../state/state.ts';
import type { Session } from '../store/store.ts';
import { readFileSeen } from '../tree/read.ts';
import { scanTree } from '../tree/scan.ts';
import { breathe, mapCalmly } from './breathe.ts';
import type { Context } from './context.ts';
import { type AbsentFacts, factsOf, type GitFacts, nothingAbsent, readAbsentFacts, readGitFacts } from './git-facts.ts';
import { readBase } from './read-base.ts';
import { type Moved, readMoved } from './moved.ts';
import { withRecords } from './remembered.ts';
import { excluder, scopeOf } from './scope.ts';

/** Both sides and the base at one moment, paired into items. */
export interface Snapshot {
  items: Item[];
  /** Files and rows that are no item: excluded, links, not readable. */
  skips: Skip[];
  forgotten: BaseEntry[];
  git: GitFacts;
  absent: AbsentFacts;
  meta: Record<string, string>;
  conflicts: OpenConflict[];
  holds: Hold[];
  lookups: ReadonlyMap<string, Lookups>;
  /** Of items that an exclude pattern has taken out of scope by where their file went; null where not everything was looked at. */
  movedOut: Moved | null;
  /** Texts that were read on the way, by the digest of their bytes. */
  texts: Map<Digest, Uint8Array>;
  /** Files of our own that a crash left behind. */
  leftovers: string[];
}

/** Reads files, rows, base and git. Writes nothing. */
export async function takeSnapshot(context: Context, indexFile: string | null = null): Promise<Snapshot> {
  const { repository, config, state } = context;
  const texts = new Map<Digest, Uint8Array>();
  const [meta, base, conflicts, holds] = await Promise.all([state.meta(), readBase(context, texts), state.conflicts(), state.holds()]);
  const lastHead = meta.head ?? null;
  const [git, tree, found] = await Promise.all([
    readGitFacts(repository, config.root, lastHead),
    scanTree({ top: repository.top, root: config.root, executor: context.executor, signal: context.signal }),
    context.store.read((session) => readRows(context, session, base, texts)),
  ]);
  const outside = await readOutside(context, base, tree.files);
  const files = [...tree.files, ...outside.files];
  const present = new Set(files.map((file) => file.path));
  const rowSides = new Map<string, RowSide[]>();
  let isAbsent = base.some(({ path }) => !present.has(path));
  for (const [name, { mapping, rows, lookups }] of found) {
    const sides = await mapCalmly(rows, (row) => rowSide(mapping, config.root, row.seen, row.text, lookups));
    rowSides.set(name, sides);
    // A row of an excluded path never has a file, and git need not be asked why.
    const excluded = excluder(mapping, config.root);
    isAbsent ||= sides.some(({ path }) => path !== null && !present.has(path) && !excluded(path));
  }
  const since = { headLog: Number(meta.headLog ?? 0), lastHead };
  const absent = isAbsent ? await readAbsentFacts(repository, config.root, { head: git.head, since, indexFile }) : nothingAbsent;
  const owners = new Map(base.map((entry) => [`${entry.mapping} ${entry.path}`, entry]));
  const claims = claimsOf(base, found);
  const renames = new Map([...readMoved(meta), ...git.renames]);
  const movedOut = new Map<string, string>();
  const skips: Skip[] = [...tree.skips, ...outside.skips];
  const unreadable = new Map(skips.map((skip) => [skip.path, skip]));
  const items: Item[] = [];
  const forgotten: BaseEntry[] = base.filter((entry) => !context.mappings.some(({ mapping }) => mapping.name === entry.mapping));
  for (const { mapping } of context.mappings) {
    const lookups = found.get(mapping.name)?.lookups ?? new Map<string, Names>();
    const sides = {
      base: base.filter((entry) => entry.mapping === mapping.name),
      rows: rowSides.get(mapping.name) ?? [],
      files: (
        await mapCalmly(files, (file) => {
          if ((claims.get(file.path) ?? mapping.name) !== mapping.name) return [];
          return fileSide(mapping, config.root, file, lookups, owners.get(`${mapping.name} ${file.path}`));
        })
      ).flat(),
    };
    refuseDuplicates(mapping, sides.rows);
    // What cannot be read, or is not checked out, is not known to be gone.
    const isGone = ({ path }: BaseEntry): boolean => !skipAt(unreadable, path) && !factsOf(git, absent, path).sparse;
    const scope = scopeOf({ mapping, root: config.root }, sides, renames, isGone);
    skips.push(...scope.skips);
    for (const [to, from] of scope.movedOut) movedOut.set(to, from);
    const inherited = inheritance(mapping, scope.rows);
    const matched = match({ mapping, ...scope, renames }, (path) => factsOf(git, absent, path));
    await breathe();
    for (const item of await mapCalmly(matched.items, (one) => withRecords(one, conflicts, holds))) {
      items.push(mapping.rules.inherits ? { ...item, facts: { ...item.facts, inherited: inherited(item) } } : item);
    }
    // Without its base a deleted row would come back from a file that is there after all.
    forgotten.push(...matched.forgotten.filter(isGone));
  }
  await breathe();
  refuseCollisions(items);
  await breathe();
  refuseUnsafe(items, unreadable);
  refuseBlocked(items, present, tree.folders);
  return {
    items,
    // A folder is named besides the items in it: it may hold more than is known.
    skips: skips.filter((skip) => !items.some((item) => item.skip === skip && [item.base?.path, item.row?.path].includes(skip.path))),
    forgotten,
    git,
    absent,
    meta,
    conflicts,
    holds,
    lookups: new Map([...found].map(([name, { lookups }]) => [name, lookups])),
    movedOut,
    texts,
    leftovers: tree.leftovers,
  };
}

interface FoundRows {
  mapping: Mapping;
  rows: { seen: RowSeen; text: Digest }[];
  lookups: Lookups;
}

async function readRows(
  context: Context,
  session: Session,
  base: BaseEntry[],
  texts: Map<Digest, Uint8Array>,
): Promise<Map<string, FoundRows>> {
  const found = new Map<string, FoundRows>();
  for (const checked of context.mappings) {
    const { mapping } = checked;
    const known = new Map(base.filter((entry) => entry.mapping === mapping.name).map((entry) => [entry.pk, entry]));
    const lookups = new Map<string, Names>();
    for (const [placeholder, lookup] of Object.entries(mapping.lookups)) {
      lookups.set(placeholder, readNames(lookup, await session.names(lookup.table, lookup.key, lookup.name)));
    }
    const seen = known.size === 0 ? await scanWithTexts(session, checked, texts) : await session.scan(checked.shape);
    found.set(mapping.name, { mapping, rows: await canonicalRows(session, checked, seen, known, texts), lookups });
  }
  return found;
}

/** Without a base every text has to travel; then one look is enough. */
async function scanWithTexts(session: Session, { shape }: CheckedMapping, texts: Map<Digest, Uint8Array>): Promise<RowSeen[]> {
  const seen: RowSeen[] = [];
  for await (const chunk of session.scanTexts(shape)) {
    for (const { text, ...row } of chunk) {
      seen.push(row);
      texts.set(row.digest, text);
    }
  }
  return seen;
}

/** A row's text in canonical newlines. The database knows only the digest of the bytes, so changed rows are fetched where it matters. */
async function canonicalRows(
  session: Session,
  { mapping, shape }: CheckedMapping,
  rows: RowSeen[],
  known: ReadonlyMap<string, BaseEntry>,
  texts: Map<Digest, Uint8Array>,
): Promise<FoundRows['rows']> {
  if (mapping.newlines === 'exact') return rows.map((seen) => ({ seen, text: seen.digest }));
  const unknown = rows.filter((row) => known.get(row.pk)?.row !== row.digest && !texts.has(row.digest));
  const fetched = new Map<string, Uint8Array>();
  for await (const chunk of session.texts(
    shape,
    unknown.map((row) => row.pk),
  )) {
    for (const { pk, text } of chunk) fetched.set(pk, text);
  }
  return rows.map((row) => {
    const entry = known.get(row.pk);
    if (entry?.row === row.digest) return { seen: row, text: entry.text };
    const text = texts.get(row.digest) ?? fetched.get(row.pk) ?? new Uint8Array();
    const seen = { ...row, digest: digest(text), size: text.byteLength };
    texts.set(seen.digest, text);
    return { seen, text: digest(canonical(text, 'lf')) };
  });
}

/** Files of the base that lie outside the root of today, after `root` was changed. */
async function readOutside(context: Context, base: BaseEntry[], scanned: FileSeen[]): Promise<{ files: FileSeen[]; skips: Skip[] }> {
  const known = new Set(scanned.map((file) => file.path));
  const outside: { files: FileSeen[]; skips: Skip[] } = { files: [], skips: [] };
  for (const { path } of base) {
    if (known.has(path) || path.startsWith(`${context.config.root}/`)) continue;
    try {
      const read = await readFileSeen(context.repository.top, path);
      if (read) outside.files.push(read.seen);
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      outside.skips.push({ path, code: 'UNREADABLE', message: error.message });
    }
  }
  return outside;
}

function rowSide(mapping: Mapping, root: string, seen: RowSeen, text: Digest, lookups: Lookups): RowSide {
  const place = pathOf(mapping, root, seen.key, lookups);
  if (!('path' in place)) return { seen, text, path: null, refusal: place.refusal };
  return { seen, text, path: place.path, refusal: isComplete(seen.pk) ? null : nameless };
}

/** Where the primary key may be NULL, as in SQLite, many rows can have it. */
const nameless: Refusal = { code: 'EMPTY_NAME', message: 'Its primary key is NULL, so that it cannot be told from other rows' };

/**
 * Files that are some mapping's by its base, while their row is there: after the paths of mappings were changed, a file can have the shape
 * of another one's, and is not a new item of that.
 */
function claimsOf(base: readonly BaseEntry[], found: ReadonlyMap<string, FoundRows>): ReadonlyMap<string, string> {
  if (found.size < 2) return new Map();
  const rows = new Map([...found].map(([name, { rows: own }]) => [name, new Set(own.map(({ seen }) => seen.pk))]));
  return new Map(base.flatMap(({ mapping, path, pk }) => (rows.get(mapping)?.has(pk) ? [[path, mapping] as const] : [])));
}

/** A file belongs to a mapping by the shape of its path, or because the base says so. */
function fileSide(mapping: Mapping, root: string, seen: FileSeen, lookups: Lookups, known: BaseEntry | undefined): FileSide[] {
  const text = mapping.newlines === 'lf' ? seen.lfDigest : seen.digest;
  const read = keyOf(mapping, root, seen.path, lookups);
  if (read) return [{ seen, text, key: read.key, refusal: read.refusal }];
  if (!known) return [];
  const home = pathOf(mapping, root, known.key, lookups);
  return [{ seen, text, key: known.key, refusal: null, ...('path' in home && home.path !== seen.path && { home: home.path }) }];
}

/** For mappings whose rows inherit: the text each key would have without a row of its own. */
function inheritance(mapping: Mapping, rows: RowSide[]): (item: Item) => Digest | null {
  const rule = mapping.rules.inherits;
  if (!rule) return () => null;
  const texts = new Map(rows.map((row) => [keyId(mapping, row.seen.key), row.text]));
  return (item) => {
    const key = item.file?.key;
    if (!key) return null;
    const own = rule.from.indexOf(key[rule.column] ?? '');
    for (const value of rule.from.slice(own + 1)) {
      const text = texts.get(keyId(mapping, { ...key, [rule.column]: value }));
      if (text !== undefined) return text;
    }
    return null;
  };
}
