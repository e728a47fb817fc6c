import { isInSync as isSettled, readStatus } from '../../runner/status.ts';
import { connectRunner } from '../../runner/client.ts';
import { packageVersion } from '../../runner/package-version.ts';
import { readPause } from '../../runner/pause.ts';
import type { RunnerStatus } from '../../runner/runner.ts';
import { SyncError } from '../../core/errors.ts';
import { openRepository } from '../../git/repository.ts';
import { lockHolder } from '../../state/lock.ts';
import type { Call, Result } from '../call.ts';
import { counted } from '../render/list.ts';
import { requireKnown, toRepositoryPaths } from '../paths.ts';
import { type Live, renderStatus, statusDocument, time } from '../render/status.ts';
import { withContext } from '../with-context.ts';

/** Where both sides stand; `--check` turns it into an exit code. */
export async function statusCommand(call: Call<{ check?: boolean }>): Promise<Result> {
  try {
    return await compareSides(call);
  } catch (error) {
    if (error instanceof SyncError && error.exitCode === 3) throw await withRunner(error, call);
    throw error;
  }
}

function compareSides(call: Call<{ check?: boolean }>): Promise<Result> {
  const { terminal, args, options, style } = call;
  return withContext(call, 'read', async (context) => {
    const paths = await toRepositoryPaths(context.repository.top, terminal.cwd, args);
    await requireKnown(context, paths);
    const status = await readStatus(context, paths);
    const live = { paused: await readPause(context.repository.statePath), ...(await lookAtRunner(context.repository.statePath)) };
    const exit = options.check && !isSettled(status) ? 1 : 0;
    return { exit, document: statusDocument(status, live), text: renderStatus(status, live, style) };
  });
}

/** While the database is away the sides cannot be compared, but there may be a runner that keeps the work that waits for it. */
async function withRunner(error: SyncError, { terminal }: Call): Promise<SyncError> {
  const { statePath } = await openRepository(terminal.cwd, terminal.env);
  const runner = await askRunner(statePath);
  if (!runner?.queue.database) return error;
  const { since, attempts } = runner.queue.database;
  const line = `The runner, process ${runner.pid}, tries again and again since ${time(since)} (${counted(attempts, 'attempt')}); ${counted(runner.queue.depth, 'path')} waiting`;
  const { code, message, hint, details } = error;
  return new SyncError(code, message, { cause: error, details: [...details, line], ...(hint === undefined ? {} : { hint }) });
}

/** What the runner tells of itself, or who holds the lock and tells nothing: a process that hangs or was stopped. */
async function lookAtRunner(stateFolder: string): Promise<Pick<Live, 'runner' | 'silent'>> {
  try {
    return { runner: await askRunner(stateFolder), silent: null };
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'LOCKED') throw error;
    return { runner: null, silent: (await lockHolder(stateFolder))?.pid ?? 'unknown' };
  }
}

/** What the runner tells of itself; null where there is none. */
async function askRunner(stateFolder: string): Promise<RunnerStatus | null> {
  const runner = await connectRunner({ stateFolder, version: await packageVersion(), who: 'sync-run status' });
  try {
    return runner && ((await runner.status()) as RunnerStatus);
  } finally {
    runner?.close();
  }
}
