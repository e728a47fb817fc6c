import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { tellStub } from '../git/hooks-facts.ts';
import type { Context } from './context.ts';
import type { Report } from './report.ts';
import type { Request } from './request.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * The commit of which the hook's stub may say, without starting Node, that nothing is to be done: the files are just what it holds, and
 * the run left nothing ahead, in conflict or skipped. Null where that cannot be said.
 */
export function settledCommit(snapshot: Snapshot, report: Report, request: Request): string | null {
  const complete = request.paths === null && request.direction !== 'export';
  const settled =
    report.conflicts.length + report.skipped.length + report.ahead.files === 0 &&
    report.files.written + report.files.deleted + report.files.renamed === 0;
  return complete && settled && snapshot.git.clean ? snapshot.git.head : null;
}

/**
 * Tells the stub, unless it knows already.
 *
 * @throws {SyncError} `IO`
 */
export async function tellStubOnce({ state, config }: Pick<Context, 'state' | 'config'>, commit: string | null): Promise<void> {
  try {
    const [root, head] = await Promise.all([line(join(state.folder, 'root')), line(join(state.folder, 'head'))]);
    if (root !== config.root || head !== commit) await tellStub(state.folder, { root: config.root, commit });
  } catch (error) {
    throw new SyncError('IO', `Could not tell the hooks in "${state.folder}" what is settled: ${String(error)}`, { cause: error });
  }
}

async function line(path: string): Promise<string | null> {
  try {
    return (await readFile(path, 'utf8')).trimEnd();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
