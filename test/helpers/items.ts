import type { BaseEntry, FileSeen, Key, Mapping, RowSeen } from '../../src/core/model.ts';
import { parsePattern } from '../../src/core/pattern.ts';
import type { Item, ItemFacts } from '../../src/core/plan.ts';
import { noFacts } from '../../src/core/plan.ts';

/** A mapping of a table `pages` with one key column, for tests of pure code. */
export function mappingOf(overrides: Partial<Mapping> = {}): Mapping {
  return {
    name: 'pages',
    table: 'pages',
    content: 'body',
    pattern: parsePattern('pages/{slug}.html'),
    keyColumns: ['slug'],
    where: {},
    insert: {},
    touch: {},
    lookups: {},
    derive: {},
    delete: 'apply',
    newlines: 'exact',
    direction: 'both',
    empty: 'refuse',
    exclude: [],
    rules: {},
    fingerprint: 'source.paths',
    ...overrides,
  };
}

export const fileSeen = (path: string, text: string): FileSeen => ({ path, digest: text, lfDigest: text, size: text.length, mode: 0o644 });
export const rowSeen = (pk: string, key: Key, text: string): RowSeen => ({ pk, key, digest: text, size: text.length });

export function baseEntry(slug: string, text: string, overrides: Partial<BaseEntry> = {}): BaseEntry {
  return {
    mapping: 'pages',
    pk: `["${slug}"]`,
    key: { slug },
    path: `db/pages/${slug}.html`,
    fingerprint: 'source.paths',
    text,
    file: text,
    row: text,
    ...overrides,
  };
}

export interface Sketch {
  base?: string | null;
  file?: string | null;
  row?: string | null;
  /** Names where they differ from `a`. */
  baseName?: string;
  fileName?: string;
  rowName?: string;
  mapping?: Partial<Mapping>;
  facts?: Partial<ItemFacts>;
}

/** An item from the letters of its texts and names. */
export function itemOf({
  base = null,
  file = null,
  row = null,
  baseName = 'a',
  fileName = baseName,
  rowName = baseName,
  mapping,
  facts,
}: Sketch): Item {
  const path = (name: string) => `db/pages/${name}.html`;
  return {
    mapping: mappingOf(mapping),
    base: base === null ? null : baseEntry(baseName, base, { pk: '["1"]' }),
    file: file === null ? null : { seen: fileSeen(path(fileName), file), text: file, key: { slug: fileName } },
    row: row === null ? null : { seen: rowSeen('["1"]', { slug: rowName }, row), text: row, path: path(rowName) },
    skip: null,
    facts: { ...noFacts, ...facts },
  };
}
