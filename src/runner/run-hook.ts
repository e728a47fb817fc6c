import { loadConfig } from '../config/load.ts';
import { SyncError } from '../core/errors.ts';
import { openRepository } from '../git/repository.ts';
import { type HookCall, hookFailure, hookRequest, type HookResult, hookResult } from './hook.ts';
import { openContext, type OpenOptions } from './open-context.ts';
import { presets } from './presets.ts';
import { run } from './run.ts';
import { asTold } from './unstable.ts';

/** Does the work of one git hook in this process. Never throws: git goes on, but for a pre-commit that must not. */
export async function runHook(options: OpenOptions, call: HookCall): Promise<HookResult> {
  try {
    const context = await openContext(options);
    try {
      const request = await hookRequest(context, call);
      return 'exit' in request ? request : hookResult(await run(context, request), call, context.config);
    } finally {
      await context[Symbol.asyncDispose]();
    }
  } catch (cause) {
    const error = asTold(cause);
    return hookFailure(error, call, await insists(options, error));
  }
}

/** Whether commits are to wait for the database; asked only once it is known that it is away, when the configuration has been trusted. */
export async function insists({ cwd, env }: Pick<OpenOptions, 'cwd' | 'env'>, error: unknown): Promise<boolean> {
  if (!(error instanceof SyncError) || error.exitCode !== 3) return false;
  const { top } = await openRepository(cwd, env);
  return (await loadConfig(top, presets)).config.preCommit.unreachable === 'block';
}
