import type { Digest } from './digest.ts';
import { type BaseEntry, type FileSeen, isComplete, type Key, type Mapping, type RowSeen } from './model.ts';
import { type Item, type ItemFacts, noFacts } from './plan.ts';
import type { SkipCode } from './skips.ts';

export interface Refusal {
  code: SkipCode;
  message: string;
}

export interface RowSide {
  seen: RowSeen;
  text: Digest;
  /** Null where the row has no path; then `refusal` says why. */
  path: string | null;
  refusal: Refusal | null;
}

export interface FileSide {
  seen: FileSeen;
  text: Digest;
  /** Null where the path names no possible row; then `refusal` says why. */
  key: Key | null;
  refusal: Refusal | null;
  /** Where a file belongs that is known by its base alone; left out where that is where it is, or nobody can say. */
  home?: string;
}

/** What was found of one mapping. */
export interface Findings {
  mapping: Mapping;
  base: BaseEntry[];
  rows: RowSide[];
  files: FileSide[];
  /** New path to old path, as git reports renames. */
  renames: ReadonlyMap<string, string>;
}

/** One item's sides, with the row or file that cannot take part named apart. */
export interface Matched {
  items: Item[];
  /** Base entries that belong to nothing any more: both sides are gone, or the mapping changed. */
  forgotten: BaseEntry[];
}

type Draft = { base: BaseEntry | null; file: FileSide | null; row: RowSide | null; refusal?: Refusal };

/**
 * Pairs base entries, rows and files into items.
 *
 * A row belongs to its base entry by primary key, else by key. A file is looked for at the base path first, then at the
 * path the row has now. What is left over is paired as renames, and then by path.
 */
export function match(findings: Findings, factsOf: (path: string) => ItemFacts = () => noFacts): Matched {
  const { mapping } = findings;
  const rows = new Leftovers(findings.rows, (row, index) => (isComplete(row.seen.pk) ? row.seen.pk : `${index}`));
  const files = new Leftovers(findings.files, (file) => file.seen.path);
  const forgotten: BaseEntry[] = [];
  const drafts: Draft[] = [];
  for (const base of findings.base) {
    const row = sameSource(base, mapping) ? rows.take(base.pk) : null;
    // After a changed mapping only the primary key tells which row it was; another one may have its key, and its file, by now.
    if (row || base.fingerprint === mapping.fingerprint) drafts.push({ base, file: null, row });
    else forgotten.push(base);
  }
  attachRowsByKey(mapping, drafts, rows);
  attachFiles(drafts, files);
  attachRenamedFiles(findings, drafts, files, factsOf);
  for (const row of rows.rest()) drafts.push({ base: null, row, file: row.path === null ? null : files.take(row.path) });
  for (const file of files.rest()) drafts.push({ base: null, row: null, file });

  const items: Item[] = [];
  for (const draft of drafts) {
    const settled = forgetAcrossConfigurations(draft, mapping, forgotten);
    if (settled.file || settled.row) items.push(toItem(settled, mapping, factsOf));
    else if (settled.base) forgotten.push(settled.base);
  }
  return { items, forgotten };
}

/** Keys and paths as one string each. */
export function keyId(mapping: Pick<Mapping, 'keyColumns'>, key: Key): string {
  return JSON.stringify(mapping.keyColumns.map((column) => key[column] ?? null));
}

/** A fingerprint is `<what the text is>.<where its file is>`; while the first part is the same, the primary key still means the same row. */
function sameSource(base: BaseEntry, mapping: Mapping): boolean {
  return base.fingerprint.split('.')[0] === mapping.fingerprint.split('.')[0];
}

/** After a changed mapping an item stays only where both its sides are still there: none of this is ever a deletion. */
function forgetAcrossConfigurations(draft: Draft, mapping: Mapping, forgotten: BaseEntry[]): Draft {
  if (!draft.base || draft.base.fingerprint === mapping.fingerprint || (draft.file && draft.row)) return draft;
  forgotten.push(draft.base);
  return { ...draft, base: null };
}

function attachRowsByKey(mapping: Mapping, drafts: Draft[], rows: Leftovers<RowSide>): void {
  const byKey = new Map<string, string | null>();
  for (const [id, row] of rows.entries()) {
    const key = keyId(mapping, row.seen.key);
    byKey.set(key, byKey.has(key) ? null : id);
  }
  for (const draft of drafts) {
    if (draft.row || !draft.base) continue;
    const id = byKey.get(keyId(mapping, draft.base.key));
    if (id) draft.row = rows.take(id);
  }
}

function attachFiles(drafts: Draft[], files: Leftovers<FileSide>): void {
  attachExchanged(drafts, files);
  for (const draft of drafts) if (draft.base && !draft.file) draft.file = files.take(draft.base.path);
  for (const draft of drafts) {
    if (!draft.file && draft.row?.path) draft.file = files.take(draft.row.path);
  }
}

/**
 * Where names were exchanged or passed on, the file at the base path may be another row's by now. Its text tells, or that its own file is
 * gone; where nothing tells, both wait for a person.
 */
function attachExchanged(drafts: Draft[], files: Leftovers<FileSide>): void {
  const owners = new Map(drafts.flatMap((draft) => (draft.base ? [[draft.base.path, draft] as const] : [])));
  const renamed = drafts.filter(({ base, row }) => base && row?.path && row.path !== base.path);
  // A file that one row takes may be what another one took for its own.
  for (let taken = true; taken;) {
    taken = false;
    for (const draft of renamed) {
      if (draft.file || whoseFile(draft, owners, files) !== 'its own') continue;
      draft.file = files.take(draft.row?.path ?? '');
      taken = true;
    }
  }
  for (const draft of renamed) {
    if (draft.file || whoseFile(draft, owners, files) !== 'unknown') continue;
    for (const one of [draft, owners.get(draft.row?.path ?? '')]) if (one) one.refusal = exchanged(one);
  }
}

/** Of a row with a new name: whose the file is that stands there, and stood for another row when both sides last agreed. */
function whoseFile(
  { base, row }: Draft,
  owners: ReadonlyMap<string, Draft>,
  files: Leftovers<FileSide>,
): 'its own' | "another's" | 'unknown' {
  const there = files.peek(row?.path ?? '');
  const owner = there && owners.get(there.seen.path);
  const own = files.peek(base?.path ?? '');
  if (!there || !owner || (own && fits({ base, row }, own))) return "another's";
  const isOwnGone = !own && (owner.file ?? files.peek(owner.row?.path ?? '')) !== null;
  const isOwnText = fits({ base, row }, there);
  if (fits(owner, there)) return isOwnText && isOwnGone ? 'its own' : "another's";
  return isOwnText || isOwnGone ? 'its own' : 'unknown';
}

function fits({ base, row }: Pick<Draft, 'base' | 'row'>, { text }: FileSide): boolean {
  return text === base?.text || text === row?.text;
}

function exchanged({ base, row }: Draft): Refusal {
  const names = [base?.path, row?.path].map((path) => `"${path}"`).join(' or ');
  return {
    code: 'OCCUPIED',
    message: `Names were exchanged and both texts edited: nobody can tell whether the file of this row is ${names}`,
  };
}

/** A file that vanished and one that appeared are a rename where git says so, or where exactly one of each has the same text. */
function attachRenamedFiles(findings: Findings, drafts: Draft[], files: Leftovers<FileSide>, factsOf: (path: string) => ItemFacts): void {
  const idOf = (key: Key): string => keyId(findings.mapping, key);
  const takenKeys = new Set(findings.rows.map((row) => idOf(row.seen.key)));
  const free = (file: FileSide): boolean => file.key === null || !takenKeys.has(idOf(file.key));
  // A file that a sparse checkout left out has not vanished.
  const isLost = ({ base, row, file }: Draft): boolean => base !== null && row !== null && file === null && !factsOf(base.path).sparse;
  const lost = new Map(drafts.filter(isLost).map((draft) => [draft.base?.path ?? '', draft]));
  attachMisspelled(lost, files, idOf);
  for (const [to, from] of findings.renames) {
    const draft = lost.get(from);
    const file = files.peek(to);
    if (!draft || !file || !free(file)) continue;
    draft.file = files.take(to);
    lost.delete(from);
  }
  const appeared = single(files.rest().filter(free), (file) => file.text);
  const vanished = single([...lost.values()], (draft) => draft.base?.text ?? '');
  for (const [text, draft] of vanished) {
    const file = appeared.get(text);
    if (draft && file) draft.file = files.take(file.seen.path);
  }
}

/** Under another name that stands for the very same row, such as one in another folder of a derived name. */
function attachMisspelled(lost: Map<string, Draft>, files: Leftovers<FileSide>, idOf: (key: Key) => string): void {
  if (lost.size === 0) return;
  const byKey = Map.groupBy(
    files.rest().filter(({ key }) => key !== null),
    ({ key }) => idOf(key ?? {}),
  );
  for (const [path, draft] of lost) {
    const [file, another] = byKey.get(idOf(draft.row?.seen.key ?? {})) ?? [];
    if (!file || another) continue;
    draft.file = files.take(file.seen.path);
    lost.delete(path);
  }
}

/** Groups by text; a text that stands more than once maps to null, for then nobody can say which became which. */
function single<T>(things: T[], textOf: (thing: T) => Digest): Map<Digest, T | null> {
  const found = new Map<Digest, T | null>();
  for (const thing of things) found.set(textOf(thing), found.has(textOf(thing)) ? null : thing);
  return found;
}

function toItem(draft: Draft, mapping: Mapping, factsOf: (path: string) => ItemFacts): Item {
  const { base, file, row } = draft;
  const path = file?.seen.path ?? base?.path ?? row?.path ?? '';
  return {
    mapping,
    base,
    file: file && { seen: file.seen, text: file.text, key: file.key, ...(file.home !== undefined && { home: file.home }) },
    row: row && { seen: row.seen, text: row.text, path: row.path ?? '' },
    skip: draft.refusal ?? row?.refusal ?? (misplaced(draft) ? file?.refusal : null) ?? null,
    facts: factsOf(path),
  };
}

/** A file that is where the base has it belongs to its item, even if that path stands for no row any more (a retitled lookup). */
function misplaced({ base, file }: Draft): boolean {
  return file?.seen.path !== base?.path;
}

/** Things that can each be taken once. */
class Leftovers<T> {
  readonly #things: Map<string, T>;

  constructor(things: readonly T[], idOf: (thing: T, index: number) => string) {
    this.#things = new Map(things.map((thing, index) => [idOf(thing, index), thing]));
  }

  peek(id: string): T | null {
    return this.#things.get(id) ?? null;
  }

  take(id: string): T | null {
    const thing = this.peek(id);
    this.#things.delete(id);
    return thing;
  }

  rest(): T[] {
    return [...this.#things.values()];
  }

  entries(): [id: string, thing: T][] {
    return [...this.#things];
  }
}
