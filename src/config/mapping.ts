import { digest } from '../core/digest.ts';
import type { MappingDraft } from '../core/mapping-draft.ts';
import type { Literal, Mapping, Stamp } from '../core/model.ts';
import { nearest } from '../core/nearest.ts';
import { parsePattern, type Pattern, placeholders } from '../core/pattern.ts';
import { canonicalJson } from './json.ts';
import { jsonPath } from './problems.ts';

/**
 * Completes a mapping: pattern, key columns, fingerprint.
 *
 * @param where JSON path of the mapping, for the messages
 * @returns the mapping, or null and what is wrong with it
 */
export function buildMapping(
  draft: MappingDraft,
  root: string,
  where: readonly PropertyKey[],
): { mapping: Mapping | null; problems: string[] } {
  const at = (...path: PropertyKey[]) => `"${jsonPath([...where, ...path])}"`;
  let pattern: Pattern;
  try {
    pattern = parsePattern(draft.path);
  } catch (error) {
    return { mapping: null, problems: [`${at('path')} cannot be used: ${(error as Error).message}`] };
  }
  const names = placeholders(pattern);
  const keyColumns = [
    ...new Set(names.filter((name) => !Object.hasOwn(draft.derive, name)).map((name) => draft.lookups[name]?.column ?? name)),
  ];
  const problems = [
    ...placeholderProblems(draft, names, at),
    ...deriveProblems(draft, keyColumns, at),
    ...lookupProblems(draft, names, at),
    ...roleProblems(draft, keyColumns, at),
  ];
  if (keyColumns.length === 0)
    problems.push(`${at('path')} must name at least one column, such as "{slug}.html": the columns it names are the key`);
  if (problems.length > 0) return { mapping: null, problems };
  const { path: _, ...rest } = draft;
  return { mapping: { ...rest, pattern, keyColumns, fingerprint: fingerprint(draft, root, keyColumns) }, problems };
}

/** Reads the stamps of `insert` or `touch` as the configuration file spells them. */
export function readStamps(
  values: Record<string, Literal>,
  where: readonly PropertyKey[],
): { stamps: Record<string, Stamp>; problems: string[] } {
  const stamps: Record<string, Stamp> = {};
  const problems: string[] = [];
  for (const [column, value] of Object.entries(values)) {
    const stamp = readStamp(value);
    if (stamp === undefined)
      problems.push(
        `"${jsonPath([...where, column])}" must be "@now", "@unixtime" or a constant, found ${JSON.stringify(value)}; a constant that begins with "@" is written "@@…"`,
      );
    else stamps[column] = stamp;
  }
  return { stamps, problems };
}

function readStamp(value: Literal): Stamp | undefined {
  if (typeof value !== 'string' || !value.startsWith('@')) return value;
  if (value === '@now') return { at: 'now' };
  if (value === '@unixtime') return { at: 'unixtime' };
  return value.startsWith('@@') ? value.slice(1) : undefined;
}

type At = (...path: PropertyKey[]) => string;

function placeholderProblems(draft: MappingDraft, names: readonly string[], at: At): string[] {
  const problems: string[] = [];
  for (const kind of ['lookups', 'derive'] as const) {
    for (const name of Object.keys(draft[kind])) {
      if (names.includes(name)) continue;
      const meant = nearest(name, names);
      problems.push(`${at(kind, name)} is not used: "path" has no {${name}}${meant === null ? '' : `; did you mean {${meant}}?`}`);
    }
  }
  for (const name of Object.keys(draft.derive)) {
    if (Object.hasOwn(draft.lookups, name)) problems.push(`${at('derive', name)} is a lookup as well; remove one of them`);
  }
  return problems;
}

function deriveProblems(draft: MappingDraft, keyColumns: readonly string[], at: At): string[] {
  return Object.entries(draft.derive)
    .filter(([, { from }]) => !keyColumns.includes(from))
    .map(([name, { from }]) => `${at('derive', name, 'from')} must be a column of the key (${keyColumns.join(', ')}), found "${from}"`);
}

function lookupProblems(draft: MappingDraft, names: readonly string[], at: At): string[] {
  const problems: string[] = [];
  const owner = new Map<string, string>();
  for (const [placeholder, lookup] of Object.entries(draft.lookups)) {
    const other = owner.get(lookup.column);
    if (other !== undefined) problems.push(`${at('lookups', placeholder, 'column')} "${lookup.column}" is shown by {${other}} already`);
    owner.set(lookup.column, placeholder);
    if (
      placeholder !== lookup.column &&
      names.includes(lookup.column) &&
      !Object.hasOwn(draft.derive, lookup.column) &&
      !Object.hasOwn(draft.lookups, lookup.column)
    ) {
      problems.push(`${at('path')} has both {${lookup.column}} and {${placeholder}}, which shows the same column; remove one of them`);
    }
    const ids = new Map<string, string>();
    for (const [name, id] of Object.entries(lookup.fixed)) {
      const twin = ids.get(String(id));
      if (twin !== undefined) problems.push(`${at('lookups', placeholder, 'fixed', name)} has the same id as "${twin}": ${id}`);
      ids.set(String(id), name);
    }
  }
  return problems;
}

/** A column that two rules set would be set by whichever comes last; so each column has one role. */
function roleProblems(draft: MappingDraft, keyColumns: readonly string[], at: At): string[] {
  const problems: string[] = [];
  if (keyColumns.includes(draft.content))
    problems.push(`${at('content')} "${draft.content}" is a column of the key; the text cannot be part of its own path`);
  for (const role of ['where', 'insert', 'touch'] as const) {
    for (const column of Object.keys(draft[role])) {
      if (column === draft.content) problems.push(`${at(role, column)} is the column of the text; remove it`);
      if (keyColumns.includes(column))
        problems.push(
          `${at(role, column)} is a column of the key, which the path decides; remove it${role === 'where' ? ', or write the constant into "path"' : ''}`,
        );
    }
  }
  for (const column of Object.keys(draft.touch)) {
    if (Object.hasOwn(draft.where, column))
      problems.push(`${at('touch', column)} would move rows out of "where", which has the same column; remove one of them`);
  }
  for (const [column, stamp] of Object.entries(draft.insert)) {
    for (const role of ['where', 'touch'] as const) {
      const other = Object.hasOwn(draft[role], column) ? draft[role][column]! : stamp;
      if (!sameStamp(stamp, other))
        problems.push(`${at('insert', column)} differs from ${at(role, column)}, which is set on new rows too; remove one of them`);
    }
  }
  return problems;
}

function sameStamp(a: Stamp, b: Stamp): boolean {
  return literalText(a) === literalText(b);
}

/** A constant as the database compares it: 1, "1" and true are the same. */
function literalText(value: Stamp): string {
  if (value === null || typeof value === 'object') return JSON.stringify(value);
  return `=${typeof value === 'boolean' ? Number(value) : value}`;
}

/**
 * `<what the text is>.<where its file is>`. The first part changes when a primary key may stand for another text than before, the second
 * when a row may have another file, or the same bytes may count as another text; each only then.
 */
function fingerprint(draft: MappingDraft, root: string, keyColumns: readonly string[]): string {
  const { table, path, content, where, lookups, derive, newlines } = draft;
  const part = (value: unknown): string => digest(new TextEncoder().encode(canonicalJson(value))).slice(0, 32);
  return `${part({ table, content })}.${part({ root, path, where, lookups, derive, keyColumns, newlines })}`;
}
