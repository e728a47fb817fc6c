import { isInSync as isSettled, readStatus } from '../../runner/status.ts';
import { connectRunner } from '../../runner/client.ts';
import { packageVersion } from '../../runner/package-version.ts';
import { readPause } from '../../runner/pause.ts';
import type { RunnerStatus } from '../../runner/runner.ts';
import type { Call, Result } from '../call.ts';
import { requireKnown, toRepositoryPaths } from '../paths.ts';
import { renderStatus, statusDocument } from '../render/status.ts';
import { withContext } from '../with-context.ts';

/** Where both sides stand; `--check` turns it into an exit code. */
export function statusCommand(call: Call<{ check?: boolean }>): Promise<Result> {
  const { terminal, args, options, style } = call;
  return withContext(call, 'read', async (context) => {
    const paths = await toRepositoryPaths(context.repository.top, terminal.cwd, args);
    await requireKnown(context, paths);
    const status = await readStatus(context, paths);
    const live = { paused: await readPause(context.repository.statePath), runner: await askRunner(context.repository.statePath) };
    const exit = options.check && !isSettled(status) ? 1 : 0;
    return { exit, document: statusDocument(status, live), text: renderStatus(status, live, style) };
  });
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
