import { isEditorFile } from './editor-files.ts';
import { decodeValue, encodeValue, ENCODED } from './names.ts';
import { checkPath } from './safe-path.ts';
import type { SkipCode } from './skips.ts';

/** A piece of a path segment: fixed text, or the place of a value. */
export type Part = { kind: 'literal'; text: string } | { kind: 'placeholder'; name: string };

/** A path with placeholders, such as `pages/{lang}/{slug}.html`, taken apart. Plain data. */
export interface Pattern {
  text: string;
  /** The parts of each `/`-separated segment; two placeholders never touch. */
  segments: Part[][];
}

export type Values = Record<string, string>;

/** The names of the placeholders, in the order of the path. */
export function placeholders(pattern: Pattern): string[] {
  return pattern.segments.flat().flatMap((part) => (part.kind === 'placeholder' ? [part.name] : []));
}

export interface Refused {
  refused: { code: SkipCode; message: string };
}

const MAX_SEGMENT = 255;
const MAX_PATH = 4000;
const byteLength = (text: string): number => new TextEncoder().encode(text).length;

/**
 * Takes a pattern apart.
 *
 * @throws {Error} with a message for the author of the pattern
 */
export function parsePattern(text: string): Pattern {
  const fail = (reason: string): never => {
    throw new Error(`The pattern ${reason}`);
  };
  if (text === '') fail('is empty');
  if (text.startsWith('/') || /^[A-Za-z]:[\\/]/.test(text)) fail('is absolute; write it relative to "root"');
  const segments = text.split('/').map((segment) => parseSegment(segment, fail));
  const pattern: Pattern = { text, segments };
  const names = placeholders(pattern);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) fail(`names the placeholder "{${twice}}" twice`);
  const example = examplePath(pattern);
  const reason = checkPath(example) ?? checkEditorFile(example);
  if (reason !== null) fail(reason);
  return pattern;
}

/** A path the pattern could give. */
export function examplePath({ segments }: Pattern): string {
  return segments.map((parts) => parts.map((part) => (part.kind === 'literal' ? part.text : 'x')).join('')).join('/');
}

function parseSegment(segment: string, fail: (reason: string) => never): Part[] {
  const parts: Part[] = [];
  for (const piece of segment.match(/\{[^{}]*\}|[^{}]+|[{}]/gu) ?? []) {
    if (piece === '{' || piece === '}') fail('has a brace without its other half');
    if (piece.startsWith('{')) {
      const name = piece.slice(1, -1);
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) fail(`has the placeholder "${piece}"; write letters, digits and "_", no digit first`);
      if (parts.at(-1)?.kind === 'placeholder')
        fail(`has nothing before "${piece}" that ends the placeholder in front of it; put a "/" or other text between them`);
      parts.push({ kind: 'placeholder', name });
    } else {
      const unsafe = ENCODED.exec(piece);
      if (unsafe) fail(`has the unsafe character "${unsafe[0]}"`);
      parts.push({ kind: 'literal', text: piece });
    }
  }
  return parts;
}

/**
 * The path of an item. Different values give different paths, and `matchPath` gives the values back.
 * Where it is not refused, the path passes `checkPath` and is no editor's temporary file.
 */
export function renderPath(pattern: Pattern, values: Readonly<Record<string, string | null | undefined>>): { path: string } | Refused {
  const segments: string[] = [];
  for (const parts of pattern.segments) {
    let segment = '';
    for (const [index, part] of parts.entries()) {
      if (part.kind === 'literal') {
        segment += part.text;
        continue;
      }
      const value = Object.hasOwn(values, part.name) ? values[part.name] : undefined;
      if (value === '' || value === null || value === undefined)
        return refused('EMPTY_NAME', `"${part.name}" is empty, so that the item has no file name`);
      if (!value.isWellFormed())
        return refused('UNSAFE_PATH', `"${part.name}" holds half of a surrogate pair, which no file name can hold`);
      const next = parts[index + 1];
      segment += encodeValue(value, next?.kind === 'literal' ? next.text : '');
    }
    if (byteLength(segment) > MAX_SEGMENT) return refused('NAME_TOO_LONG', `"${segment}" is longer than ${MAX_SEGMENT} bytes`);
    segments.push(segment);
  }
  const path = segments.join('/');
  if (byteLength(path) > MAX_PATH) return refused('NAME_TOO_LONG', `The path is longer than ${MAX_PATH} bytes`);
  const reason = checkPath(path) ?? checkEditorFile(path);
  return reason === null ? { path } : refused('UNSAFE_PATH', `"${path}" ${reason}`);
}

/** A scan overlooks such files, so that an item with such a name would seem deleted. */
function checkEditorFile(path: string): string | null {
  return isEditorFile(path.slice(path.lastIndexOf('/') + 1)) ? 'ends in a name editors use for temporary files' : null;
}

function refused(code: SkipCode, message: string): Refused {
  return { refused: { code, message } };
}

/**
 * Reads the values back out of a path.
 *
 * @returns null where the path is not of this shape; `wrong` with the right path where the values would be written another
 *   way; `refused` where they have no path at all
 */
export function matchPath(
  pattern: Pattern,
  path: string,
): { values: Values } | { wrong: string; values: Values } | (Refused & { values: Values }) | null {
  const names = path.split('/');
  if (names.length !== pattern.segments.length) return null;
  const found: [string, string][] = [];
  for (const [index, parts] of pattern.segments.entries()) {
    if (!matchSegment(parts, names[index] ?? '', found)) return null;
  }
  const values: Values = Object.fromEntries(found);
  const rendered = renderPath(pattern, values);
  if ('refused' in rendered) return { ...rendered, values };
  return rendered.path === path ? { values } : { wrong: rendered.path, values };
}

/** Adds the values of one segment to `found`. The last literal is looked for at the end, the others where they occur first. */
function matchSegment(parts: readonly Part[], segment: string, found: [string, string][]): boolean {
  let at = 0;
  for (const [index, part] of parts.entries()) {
    if (part.kind === 'literal') {
      if (!segment.startsWith(part.text, at)) return false;
      at += part.text.length;
      continue;
    }
    const next = parts[index + 1];
    const literal = next?.kind === 'literal' ? next.text : '';
    const end = index + 2 >= parts.length ? segment.length - literal.length : indexOfLiteral(segment, literal, at);
    if (end <= at) return false;
    found.push([part.name, decodeValue(segment.slice(at, end))]);
    at = end;
  }
  return at === segment.length;
}

/** Where `literal` first occurs after at least one character, never inside a `%XX`; -1 if nowhere. */
function indexOfLiteral(segment: string, literal: string, from: number): number {
  for (let at = from; at < segment.length; at += /^%[0-9A-F]{2}/.test(segment.slice(at, at + 3)) ? 3 : 1) {
    if (at > from && segment.startsWith(literal, at)) return at;
  }
  return -1;
}
