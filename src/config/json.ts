/** A text that is not JSON, or is but could be read in two ways. `offset` counts UTF-16 units from the start. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** Deeper nesting is never a configuration, and would exhaust the stack. */
const maxDepth = 32;

/**
 * Parses JSON and says where it breaks. `JSON.parse` gives no position for short texts and its wording differs between runtimes;
 * it also keeps the last of two equal keys, which hides half of a rule from the reader: here that is an error.
 *
 * @throws {JsonError}
 */
export function parseJson(text: string): unknown {
  const end = value(skipSpace(0), 0);
  const rest = skipSpace(end);
  if (rest < text.length) throw new JsonError(`Expected the end of the file, found ${found(rest)}`, rest);
  return JSON.parse(text);

  function value(at: number, depth: number): number {
    if (depth > maxDepth) throw new JsonError(`Nested deeper than ${maxDepth} levels`, at);
    if (text[at] === '{') return object(at, depth);
    if (text[at] === '[') return array(at, depth);
    if (text[at] === '"') return string(at);
    const end = match(/(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y, at);
    if (end === null) throw new JsonError(`Expected a value, found ${found(at)}`, at);
    return end;
  }

  function object(start: number, depth: number): number {
    const keys = new Set<string>();
    let at = skipSpace(start + 1);
    if (text[at] === '}') return at + 1;
    for (;;) {
      if (text[at] !== '"') throw new JsonError(`Expected a name in double quotes, found ${found(at)}`, at);
      const keyEnd = string(at);
      const key = JSON.parse(text.slice(at, keyEnd)) as string;
      if (keys.has(key)) throw new JsonError(`The name "${key}" is there twice`, at);
      if (key === '__proto__') throw new JsonError(`The name "${key}" is not allowed`, at);
      keys.add(key);
      at = skipSpace(keyEnd);
      if (text[at] !== ':') throw new JsonError(`Expected ":", found ${found(at)}`, at);
      at = skipSpace(value(skipSpace(at + 1), depth + 1));
      if (text[at] === '}') return at + 1;
      if (text[at] !== ',') throw new JsonError(`Expected "," or "}", found ${found(at)}`, at);
      const comma = at;
      at = skipSpace(at + 1);
      if (text[at] === '}') throw new JsonError('Remove the "," before the "}"', comma);
    }
  }

  function array(start: number, depth: number): number {
    let at = skipSpace(start + 1);
    if (text[at] === ']') return at + 1;
    for (;;) {
      at = skipSpace(value(at, depth + 1));
      if (text[at] === ']') return at + 1;
      if (text[at] !== ',') throw new JsonError(`Expected "," or "]", found ${found(at)}`, at);
      const comma = at;
      at = skipSpace(at + 1);
      if (text[at] === ']') throw new JsonError('Remove the "," before the "]"', comma);
    }
  }

  function string(start: number): number {
    // oxlint-disable-next-line no-control-regex -- JSON forbids raw control characters in strings
    const end = match(/"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*/y, start)!;
    if (text[end] === '"') return end + 1;
    if (end >= text.length || text[end] === '\n' || text[end] === '\r')
      throw new JsonError('The text is not closed with a double quote', start);
    throw new JsonError(
      text[end] === '\\' ? 'Unknown escape; write a backslash as "\\\\"' : 'A control character must be written as an escape',
      end,
    );
  }

  function skipSpace(at: number): number {
    return match(/[ \t\r\n]*/y, at)!;
  }

  function match(pattern: RegExp, at: number): number | null {
    pattern.lastIndex = at;
    return pattern.test(text) ? pattern.lastIndex : null;
  }

  function found(at: number): string {
    if (at >= text.length) return 'the end of the file';
    if (text.startsWith('//', at) || text.startsWith('/*', at)) return 'a comment, which JSON does not have';
    if (text[at] === "'") return 'a single quote; JSON has double quotes only';
    const word = /[\w.+-]+/y;
    word.lastIndex = at;
    const token = word.exec(text)?.[0] ?? String.fromCodePoint(text.codePointAt(at)!);
    return token === '"' ? 'a double quote' : `"${token.slice(0, 40)}"`;
  }
}

/** Line and column of an offset, both counted from 1, as editors show them. */
export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset).split(/\r\n|\n|\r/);
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

/** The same value always as the same text: object keys sorted, two spaces of indentation so that two texts compare line by line. */
export function canonicalJson(value: unknown): string {
  return `${JSON.stringify(sorted(value), null, 2)}\n`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, entry]) => [key, sorted(entry)]));
}
