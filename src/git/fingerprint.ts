import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import type { Repository } from './repository.ts';

/**
 * HEAD, its log and the index in one string: equal before and after means that git moved none of them in between.
 * Git replaces the index by renaming, so another index has another inode or time; it writes the log whenever HEAD's commit changes.
 */
export async function fingerprint({ gitDir }: Pick<Repository, 'gitDir'>): Promise<string> {
  const [branch, log, index] = await Promise.all([
    orNone(readFile(join(gitDir, 'HEAD'), 'utf8')),
    orNone(identity(join(gitDir, 'logs', 'HEAD'))),
    orNone(identity(join(gitDir, 'index'))),
  ]);
  return [branch, log, index].join(' ');
}

async function identity(path: string): Promise<string> {
  const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return [ino, size, mtimeNs, ctimeNs].join(':');
}

async function orNone(look: Promise<string>): Promise<string> {
  try {
    return await look;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 'none';
    throw new SyncError('IO', `Looking at the git dir failed: ${(cause as Error).message}`, { cause });
  }
}
