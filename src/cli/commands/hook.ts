import { resolve } from 'node:path';
import { runHook } from '../../runner/run-hook.ts';
import type { Call, Result } from '../call.ts';

/** What the installed stub calls. Everything it has to say goes to standard error, where git shows it. */
export async function hookCommand({ terminal, args }: Call): Promise<Result> {
  const [hook = '', ...rest] = args;
  const { cwd, env, signal } = terminal;
  const indexFile = hook === 'pre-commit' && env.GIT_INDEX_FILE ? resolve(cwd, env.GIT_INDEX_FILE) : null;
  const { exit, lines } = await runHook({ cwd, env, signal, mode: 'write' }, { hook, args: rest, indexFile });
  for (const line of lines) terminal.err(`sync-run: ${line}\n`);
  return { exit };
}
