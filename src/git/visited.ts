import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { commitExists, headPaths } from './queries.ts';
import type { Repository } from './repository.ts';

/** A rebase visits many commits; older ones than these hardly tell anything that the newer ones do not. */
const MAX_COMMITS = 100;

/** The log of HEAD as git writes it: one line per move, appended (gitrepository-layout, "logs"). Empty where there is none. */
const logOf = ({ gitDir }: Pick<Repository, 'gitDir'>): string => join(gitDir, 'logs', 'HEAD');

/** How long the log of HEAD is, in bytes; what is written later is what HEAD did since. */
export async function headLogSize(repo: Pick<Repository, 'gitDir'>): Promise<number> {
  try {
    return (await stat(logOf(repo))).size;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw unreadable(repo, cause);
  }
}

function unreadable(repo: Pick<Repository, 'gitDir'>, cause: unknown): SyncError {
  return new SyncError('IO', `Reading "${logOf(repo)}" failed: ${(cause as Error).message}`, { cause });
}

/**
 * Paths below `root` that some commit held which was checked out since the log of HEAD was `since` bytes long: what is no longer in the
 * index, but here, git took away. A log that was shortened meanwhile is read whole.
 *
 * @throws {SyncError} `IO`
 */
export async function visitedPaths(repo: Repository, root: string, since: number): Promise<Set<string>> {
  const lines = (await readLog(repo, since)).split('\n');
  // `<old> <new> <who> <when>\t<why>`; the old one was checked out until the line was written.
  const moves = lines.flatMap((line) => /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) /.exec(line)?.slice(1) ?? []);
  const paths = new Set<string>();
  for (const commit of [...new Set(moves.toReversed())].slice(0, MAX_COMMITS)) {
    if (!(await commitExists(repo, commit))) continue;
    for (const path of (await headPaths(repo, commit, root)).keys()) paths.add(path);
  }
  return paths;
}

async function readLog(repo: Pick<Repository, 'gitDir'>, since: number): Promise<string> {
  try {
    const file = await open(logOf(repo));
    try {
      const { size } = await file.stat();
      const start = since > size ? 0 : since;
      const bytes = Buffer.alloc(size - start);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
      return bytes.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw unreadable(repo, cause);
  }
}
