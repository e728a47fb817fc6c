import { setImmediate } from 'node:timers/promises';
import { corrupt } from './failure.ts';

/** In characters of JSON: about a millisecond of work on the main thread. */
const CHUNK = 256 * 1024;

/** Part of a list as a JSON array, with the index of its first element. */
export interface Chunk {
  first: number;
  json: string;
}

/** Encodes a list as JSON arrays of bounded size; other work gets its turn between them. */
export async function encodeChunks<T>(items: Iterable<T>, encode: (item: T) => unknown = (item) => item): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  let parts: string[] = [];
  let size = 0;
  let count = 0;
  const flush = (): void => {
    if (parts.length > 0) chunks.push({ first: count - parts.length, json: `[${parts.join(',')}]` });
    parts = [];
    size = 0;
  };
  for (const item of items) {
    const json = JSON.stringify(encode(item));
    parts.push(json);
    size += json.length;
    count++;
    if (size < CHUNK) continue;
    flush();
    await setImmediate();
  }
  flush();
  return chunks;
}

/** Decodes JSON arrays into one list; other work gets its turn between them. */
export async function decodeChunks<T>(chunks: Iterable<string>, folder: string): Promise<T[]> {
  const all: T[] = [];
  for (const json of chunks) {
    for (const item of await parse<T[]>(json, folder)) all.push(item);
    await setImmediate();
  }
  return all;
}

/** @throws {SyncError} `STATE` if a stored text is not JSON */
export async function parse<T>(json: string, folder: string): Promise<T> {
  try {
    return JSON.parse(json) as T;
  } catch (error) {
    throw await corrupt(folder, 'a record is not valid JSON', error);
  }
}
