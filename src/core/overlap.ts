import type { Literal, Mapping } from './model.ts';
import type { Part, Pattern } from './pattern.ts';

/**
 * Pairs of mappings that could claim the same row or the same file, in words.
 * Two mappings overlap on the row side if no constant of `where` keeps them apart, whatever their text columns: who deletes or renames the
 * one file would do so to the row of the other. They overlap on the file side if some path fits both patterns.
 */
export function findOverlaps(mappings: readonly Pick<Mapping, 'name' | 'table' | 'where' | 'pattern'>[]): string[] {
  const problems: string[] = [];
  for (const [index, a] of mappings.entries()) {
    for (const b of mappings.slice(index + 1)) {
      if (a.table === b.table && !disjoint(a.where, b.where)) {
        problems.push(
          `The mappings "${a.name}" and "${b.name}" can select the same row of "${a.table}", and a row can only be one file; give one column different values in "where" of both`,
        );
      }
      const path = commonPath(a.pattern, b.pattern);
      if (path !== null) {
        problems.push(
          `The mappings "${a.name}" and "${b.name}" can claim the same file, for example "${path}"; give their "path" different folders or endings`,
        );
      }
    }
  }
  return problems;
}

/** Whether no row can have the constants of both. */
export function disjoint(a: Record<string, Literal>, b: Record<string, Literal>): boolean {
  return Object.keys(a).some((column) => Object.hasOwn(b, column) && comparable(a[column]!) !== comparable(b[column]!));
}

// A database compares 1, "1" and true as equal.
function comparable(value: Literal): string | null {
  if (value === null) return null;
  return typeof value === 'boolean' ? String(Number(value)) : String(value);
}

/** A shortest path that fits both patterns; null if there is none. Names that no file can have (`.git`, `con`) are not told apart. */
export function commonPath(a: Pattern, b: Pattern): string | null {
  if (a.segments.length !== b.segments.length) return null;
  const segments = a.segments.map((parts, index) => commonSegment(parts, b.segments[index]!));
  return segments.includes(null) ? null : segments.join('/');
}

/** Reads both segments at once, breadth first over all pairs of positions that one text can reach. */
function commonSegment(a: readonly Part[], b: readonly Part[]): string | null {
  const literals = new Set([...a, ...b].flatMap((part) => (part.kind === 'literal' ? part.text.split('') : [])));
  // One character stands for all that are in no literal; in the example it should look like a name.
  const other = [...'xyzabcdefghijklmnopqrstuvw0123456789'].find((char) => !literals.has(char)) ?? '\u0101';
  const alphabet = [other, ...literals];
  const seen = new Set<string>();
  let front = [{ left: start, right: start, text: '' }];
  while (front.length > 0) {
    const further: typeof front = [];
    for (const { left, right, text } of front) {
      if (isEnd(a, left) && isEnd(b, right)) return text;
      for (const char of alphabet) {
        const pair = { left: read(a, left, char), right: read(b, right, char) };
        if (pair.left === null || pair.right === null || seen.has(JSON.stringify(pair))) continue;
        seen.add(JSON.stringify(pair));
        further.push({ left: pair.left, right: pair.right, text: text + char });
      }
    }
    front = further;
  }
  return null;
}

/** How far a segment was read. */
interface Position {
  part: number;
  /** How much of the literal (of the one that ends a value) was just read. */
  matched: number;
  /** Whether a value was begun and is more than what `matched` counts. */
  value: boolean;
}

const start: Position = { part: 0, matched: 0, value: false };

function isEnd(parts: readonly Part[], { part, value }: Position): boolean {
  return part === parts.length || (part === parts.length - 1 && parts[part]!.kind === 'placeholder' && value);
}

/** The position after one more character; null where the segment cannot go on with it. A value ends at the first occurrence of what follows it. */
function read(parts: readonly Part[], { part, matched, value }: Position, char: string): Position | null {
  const at = parts[part];
  if (at === undefined) return null;
  if (at.kind === 'literal') {
    if (at.text[matched] !== char) return null;
    return matched + 1 === at.text.length ? { ...start, part: part + 1 } : { part, matched: matched + 1, value };
  }
  const next = parts[part + 1];
  const literal = next?.kind === 'literal' ? next.text : '';
  if (literal === '') return { part, matched: 0, value: true };
  const recent = literal.slice(0, matched) + char;
  let length = recent.length;
  while (!literal.startsWith(recent.slice(recent.length - length))) length -= 1;
  const hasValue = value || length < recent.length;
  if (length < literal.length) return { part, matched: length, value: hasValue };
  // The literal right at the start would leave the value empty, and one character of it would be encoded.
  return hasValue ? { ...start, part: part + 2 } : null;
}
