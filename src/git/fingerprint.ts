import { stat } from 'node:fs/promises';
import { SyncError } from '../core/errors.ts';
import { head } from './queries.ts';
import type { Repository } from './repository.ts';

/**
 * HEAD and the index in one string: equal before and after means that git moved neither in between.
 * Git replaces the index by renaming, so another index has another inode or time.
 */
export async function fingerprint(repo: Repository): Promise<string> {
  const [commit, index] = await Promise.all([head(repo), repo.path('index')]);
  return `${commit ?? 'unborn'} ${await identity(index)}`;
}

async function identity(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(':');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 'none';
    throw new SyncError('IO', `Reading "${path}" failed: ${(cause as Error).message}`, { cause });
  }
}
