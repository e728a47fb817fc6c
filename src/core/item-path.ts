import type { Refusal } from './match.ts';
import type { Derive, Key, Lookup, Mapping } from './model.ts';
import { matchPath, placeholders, renderPath } from './pattern.ts';

/** A lookup's table read both ways. Null marks what has more than one answer. */
export interface Names {
  nameOf: ReadonlyMap<string, string | null>;
  idOf: ReadonlyMap<string, string | null>;
}

/** Names by placeholder. */
export type Lookups = ReadonlyMap<string, Names>;

/** Reads a lookup's rows and its fixed names into one table; a name of two ids, or an id of two names, is marked, so that nobody guesses. */
export function readNames(lookup: Lookup, rows: readonly { key: string; name: string | null }[]): Names {
  const nameOf = new Map<string, string | null>();
  const idOf = new Map<string, string | null>();
  const note = (map: Map<string, string | null>, from: string, to: string): void => {
    map.set(from, map.has(from) && map.get(from) !== to ? null : to);
  };
  const add = (key: string, name: string): void => {
    note(nameOf, key, name);
    note(idOf, name, key);
  };
  for (const [name, key] of Object.entries(lookup.fixed)) add(String(key), name);
  const fixed = new Set(nameOf.keys());
  for (const { key, name } of rows) if (name !== null && !fixed.has(key)) add(key, name);
  for (const [key, name] of nameOf) if (name !== null && idOf.get(name) === null) nameOf.set(key, null);
  return { nameOf, idOf };
}

/** Where the file of a row belongs, from the repository root. */
export function pathOf(mapping: Mapping, root: string, key: Key, lookups: Lookups): { path: string } | { refusal: Refusal } {
  const values: Record<string, string> = {};
  for (const placeholder of placeholders(mapping.pattern)) {
    const value = valueOf(mapping, placeholder, key, lookups);
    if ('refusal' in value) return value;
    values[placeholder] = value.text;
  }
  const rendered = renderPath(mapping.pattern, values);
  return 'path' in rendered ? { path: `${root}/${rendered.path}` } : { refusal: rendered.refused };
}

function valueOf(mapping: Mapping, placeholder: string, key: Key, lookups: Lookups): { text: string } | { refusal: Refusal } {
  const derive = mapping.derive[placeholder];
  const lookup = mapping.lookups[placeholder];
  const column = derive?.from ?? lookup?.column ?? placeholder;
  const value = key[column] ?? null;
  if (value === null || value === '') return { refusal: { code: 'EMPTY_NAME', message: `The column "${column}" is empty` } };
  if (derive) return { text: derived(derive, value) };
  if (!lookup) return { text: value };
  const name = lookups.get(placeholder)?.nameOf.get(value);
  if (name === undefined) {
    const code = mapping.rules.orphans === 'leave' ? 'ORPHANED' : 'UNKNOWN_LOOKUP';
    return { refusal: { code, message: `"${lookup.table}" has no name for ${lookup.column} ${value}` } };
  }
  if (name === null) {
    return {
      refusal: {
        code: 'AMBIGUOUS_LOOKUP',
        message: `"${lookup.table}" has the name of ${lookup.column} ${value} twice, or two names for it`,
      },
    };
  }
  return { text: name };
}

function derived(derive: Derive, value: string): string {
  const end = value.indexOf(derive.until);
  return end > 0 ? value.slice(0, end) : value;
}

/**
 * Which row a path stands for. Null where the path is not of this mapping's shape.
 * A path that is readable but not the one its key has is `WRONG_PATH`; the message names the right one.
 */
export function keyOf(
  mapping: Mapping,
  root: string,
  path: string,
  lookups: Lookups,
): { key: Key; refusal: null } | { key: Key | null; refusal: Refusal } | null {
  if (!path.startsWith(`${root}/`)) return null;
  const matched = matchPath(mapping.pattern, path.slice(root.length + 1));
  if (!matched) return null;
  const key: Key = {};
  for (const placeholder of placeholders(mapping.pattern)) {
    if (mapping.derive[placeholder]) continue;
    const value = matched.values[placeholder] ?? '';
    const lookup = mapping.lookups[placeholder];
    if (!lookup) {
      key[placeholder] = value;
      continue;
    }
    const id = lookups.get(placeholder)?.idOf.get(value);
    if (id === undefined) {
      return { key: null, refusal: { code: 'UNKNOWN_LOOKUP', message: `"${lookup.table}" has no row with the ${lookup.name} "${value}"` } };
    }
    if (id === null) {
      return { key: null, refusal: { code: 'AMBIGUOUS_LOOKUP', message: `"${lookup.table}" has the ${lookup.name} "${value}" twice` } };
    }
    key[lookup.column] = id;
  }
  const right = pathOf(mapping, root, key, lookups);
  if ('refusal' in right) return { key: null, refusal: right.refusal };
  if (right.path !== path) return { key, refusal: { code: 'WRONG_PATH', message: `The right path is "${right.path}"` } };
  return { key, refusal: null };
}
