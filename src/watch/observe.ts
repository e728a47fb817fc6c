import { constants } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { digest } from '../core/digest.ts';

/** One look at a file. Two looks are equal when `kind` and `token` are. */
export interface Observation {
  /** `other`: no regular file, or one that cannot be read. */
  kind: 'content' | 'empty' | 'absent' | 'other';
  token: string;
}

const ABSENT: Observation = { kind: 'absent', token: '' };
const AT_ONCE = 8;
// Larger ones are compared by their stat only; a text column of this size would be refused anyway.
const HASHED_BYTES = 64 * 1024 * 1024;

/** Looks at files below `folder`; never follows a link in the last place and never throws for what it finds. */
export async function observe(folder: string, paths: readonly string[]): Promise<Map<string, Observation>> {
  const seen = new Map<string, Observation>();
  const queue = [...paths];
  const worker = async (): Promise<void> => {
    for (let path = queue.pop(); path !== undefined; path = queue.pop()) seen.set(path, await look(join(folder, path)));
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, queue.length) }, worker));
  return seen;
}

async function look(path: string): Promise<Observation> {
  try {
    const stat = await lstat(path, { bigint: true });
    if (!stat.isFile()) return { kind: 'other', token: String(stat.mode) };
    const token = `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
    if (stat.size === 0n) return { kind: 'empty', token };
    if (stat.size > HASHED_BYTES) return { kind: 'content', token };
    // A pipe may have taken the file's place: never wait for its writer.
    const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
    try {
      return { kind: 'content', token: `${token}:${digest(await file.readFile())}` };
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    return code === 'ENOENT' || code === 'ENOTDIR' ? ABSENT : { kind: 'other', token: code };
  }
}
