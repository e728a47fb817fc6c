import { openRepository } from '../../git/repository.ts';
import { packageVersion } from '../../runner/package-version.ts';
import { pause, type PastPause, type Pause, resume } from '../../runner/pause.ts';
import { reachRunner } from '../../runner/reach.ts';
import { ensureFolder } from '../../state/folder.ts';
import type { Call, Result } from '../call.ts';

/** Stops watcher and post-hooks until `resume`, whatever runs or dies meanwhile. */
export async function pauseCommand({ terminal, options }: Call<{ reason?: string }>): Promise<Result> {
  const why = options.reason ?? 'no reason given';
  const { folder, runner } = await reach(terminal, 'sync-run pause');
  try {
    const made = runner ? ((await runner.pause(why)) as Pause) : await pause(folder, { who: 'sync-run pause', why, since: Date.now() });
    return { exit: 0, document: { command: 'pause', paused: made }, text: `Paused since ${when(made.since)}: ${made.why}\n` };
  } finally {
    runner?.close();
  }
}

/** Ends the pause; what happened meanwhile is caught up with. */
export async function resumeCommand({ terminal }: Call): Promise<Result> {
  const { folder, runner } = await reach(terminal, 'sync-run resume');
  try {
    const past = runner ? ((await runner.resume()) as PastPause | null) : await resume(folder, Date.now());
    const missed = runner ? '' : 'No runner is at work: what git changed meanwhile is imported by `npx sync-run import`\n';
    const text = past ? `Resumed; it was paused since ${when(past.since)}: ${past.why}\n${missed}` : 'It was not paused\n';
    return { exit: 0, document: { command: 'resume', was: past }, text };
  } finally {
    runner?.close();
  }
}

async function reach(terminal: Call['terminal'], who: string) {
  const { statePath: folder } = await openRepository(terminal.cwd, terminal.env);
  await ensureFolder(folder);
  return { folder, runner: await reachRunner({ stateFolder: folder, version: await packageVersion(), who }) };
}

function when(at: number): string {
  return new Date(at).toISOString();
}
