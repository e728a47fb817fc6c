import type { Digest } from './digest.ts';
import type { Pattern } from './pattern.ts';

/** A constant from the configuration. */
export type Literal = string | number | boolean | null;

/** What is written into a `touch` or `insert` column: a constant, or a value taken at the time of writing. */
export type Stamp = Literal | { at: 'now' | 'unixtime' } | { from: 'mybb-version' };

/** `{placeholder}` shows the `name` of the row of `table` whose `key` equals `column`. */
export interface Lookup {
  column: string;
  table: string;
  key: string;
  name: string;
  /** Names for ids that have no row. */
  fixed: Record<string, string | number>;
}

/** `{placeholder}` shows `from` up to the first `until`; only for the reader, it carries no part of the key. */
export interface Derive {
  from: string;
  until: string;
}

/** The rule that ties a table to files. Parsed, checked and completed from `sync-run.config.json` or a preset. */
export interface Mapping {
  name: string;
  table: string;
  /** The column that holds the text. */
  content: string;
  /** Relative to the configured root. */
  pattern: Pattern;
  /** The columns that make the key, in the order of the pattern; a lookup stands for its column. */
  keyColumns: string[];
  where: Record<string, Literal>;
  insert: Record<string, Stamp>;
  touch: Record<string, Stamp>;
  lookups: Record<string, Lookup>;
  derive: Record<string, Derive>;
  delete: 'apply' | 'ignore';
  newlines: 'exact' | 'lf';
  direction: 'both' | 'rows-to-files' | 'files-to-rows';
  empty: 'refuse' | 'allow';
  exclude: string[];
  /** Only presets set these. */
  rules: MappingRules;
  /** `<what the text is>.<where its file is>`, each a digest. A base whose second part differs is re-attached by primary key. */
  fingerprint: string;
}

/** What a preset can say and a mapping of the configuration cannot. */
export interface MappingRules {
  /** Rows with one of these values in the column are never written. */
  readOnly?: { column: string; values: string[] };
  /** A row without an own text inherits from the first of `from` (values of `column`) that has the same remaining key. */
  inherits?: { column: string; from: string[] };
  /** Rows whose lookup has no name are left by policy instead of refused. */
  orphans?: 'leave';
  /** Said once when the batch wrote rows of this mapping. */
  notice?: string;
}

/** A primary key as JSON: an array of strings, or of `{"x":"hex"}` for binary columns, in the order of the table's key. */
export type PrimaryKey = string;

/** Whether no part of it is NULL: SQLite lets many rows have such a key. */
export function isComplete(pk: PrimaryKey): boolean {
  return !pk.includes('null') || !(JSON.parse(pk) as unknown[]).includes(null);
}

/** The value of a key column as text; NULL stays null. */
export type Key = Record<string, string | null>;

/** A row as a scan saw it. */
export interface RowSeen {
  pk: PrimaryKey;
  key: Key;
  /** Of the stored bytes (text as UTF-8); NULL has the digest of the empty text. */
  digest: Digest;
  /** In bytes. */
  size: number;
}

/** A file as a scan saw it. */
export interface FileSeen {
  /** From the repository root, `/`-separated. */
  path: string;
  digest: Digest;
  /** The digest with CRLF as LF where every newline is CRLF; equal to `digest` otherwise. */
  lfDigest: Digest;
  size: number;
  /** Permission bits. */
  mode: number;
}

/** What both sides of an item last agreed on. */
export interface BaseEntry {
  mapping: string;
  pk: PrimaryKey;
  key: Key;
  path: string;
  /** `Mapping.fingerprint` when it was recorded. */
  fingerprint: string;
  /** Of the text both agreed on, newlines in canonical form. */
  text: Digest;
  /** Of the bytes of each side. */
  file: Digest;
  row: Digest;
}

/** A value of a row in a form that survives JSON and goes back unchanged. */
export type ImageValue = null | { s: string } | { n: number } | { x: string };

/** A whole row, generated columns left out. */
export type RowImage = Record<string, ImageValue>;
