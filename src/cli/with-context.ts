import type { Context } from '../runner/context.ts';
import { openContext } from '../runner/open-context.ts';
import type { Call } from './call.ts';
import { createProgress } from './render/progress.ts';

/** Opens repository, configuration, state and database for a command, and closes them however it ends. */
export async function withContext<T>(
  { terminal, json }: Pick<Call, 'terminal' | 'json'>,
  mode: 'read' | 'write',
  work: (context: Context) => Promise<T>,
): Promise<T> {
  const { cwd, env, signal } = terminal;
  const progress = createProgress(terminal, { quiet: json });
  try {
    const context = await openContext({ cwd, env, mode, signal, progress: progress.report });
    try {
      return await work(context);
    } finally {
      // Not `await using`: Node.js 22 cannot read it.
      await context[Symbol.asyncDispose]();
    }
  } finally {
    progress.stop();
  }
}
