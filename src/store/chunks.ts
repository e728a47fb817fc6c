/** Numbers of values a list in a statement may have: few enough that the server's prepared statements do not pile up. */
const SIZES = [1, 10, 100, 500];

export const MAX_LIST = 500;
export const MAX_CHUNK_BYTES = 8 * 1024 * 1024;

/** The list filled up, by repeating its last value, to one of a few lengths. */
export function padded<T>(list: readonly T[]): T[] {
  const size = SIZES.find((candidate) => candidate >= list.length) ?? list.length;
  return Array.from({ length: size }, (_, index) => list[Math.min(index, list.length - 1)] as T);
}

export function* chunksOf<T>(list: readonly T[], count: number): Generator<T[]> {
  for (let at = 0; at < list.length; at += count) yield list.slice(at, at + count);
}

/** Chunks of at most `MAX_LIST` items and, as far as single items allow, `MAX_CHUNK_BYTES`. */
export function* chunksBySize<T extends { size: number }>(list: Iterable<T>): Generator<T[]> {
  let chunk: T[] = [];
  let bytes = 0;
  for (const item of list) {
    if (chunk.length > 0 && (chunk.length >= MAX_LIST || bytes + item.size > MAX_CHUNK_BYTES)) {
      yield chunk;
      chunk = [];
      bytes = 0;
    }
    chunk.push(item);
    bytes += item.size;
  }
  if (chunk.length > 0) yield chunk;
}

/** Bytes of texts in one statement: below what any server lets through (max_allowed_packet is 1 MiB on old ones). */
const STATEMENT_BYTES = 512 * 1024;

/** Chunks of one of a few lengths, so that the server's prepared statements do not pile up, and of moderate size; a large text goes alone. */
export function* chunksForStatements<T extends { text: Uint8Array }>(list: readonly T[]): Generator<T[]> {
  for (let at = 0; at < list.length;) {
    const count = [100, 10].find((size) => at + size <= list.length && bytesOf(list, at, size) <= STATEMENT_BYTES) ?? 1;
    yield list.slice(at, at + count);
    at += count;
  }
}

function bytesOf(list: readonly { text: Uint8Array }[], at: number, count: number): number {
  let sum = 0;
  for (let index = at; index < at + count; index++) sum += list[index]?.text.byteLength ?? 0;
  return sum;
}
