import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Tells the stub to block the commit. Not 1, with which a runtime ends on any defect. */
const blocked = 10;

/** What a hook asks of the runner. Paths are absolute. */
interface HookRequest {
  hook: string;
  args: string[];
  top: string;
  gitDir: string;
  /** The index `git commit` is about to write; null outside of pre-commit. */
  indexFile: string | null;
}

/** What `src/runner/client.ts` exports. */
interface RunnerClient {
  sendToRunner(request: HookRequest): Promise<'no-runner' | { exitCode: number; stderr: string }>;
}

const [gitDir = '.git', hook = '', ...args] = process.argv.slice(2);

process.on('exit', (code) => {
  process.exitCode = hook === 'pre-commit' && code === 1 ? blocked : 0;
});
process.on('uncaughtException', giveUp);
// A git child of ours fires no hook that does anything.
if (process.env.SYNC_RUN_HOOK !== '1') await runHook().catch(giveUp);

/** Hands the hook to the runner of this working tree, or does its work in this process if there is none. Sets the exit code. */
async function runHook(): Promise<void> {
  const indexFile = hook === 'pre-commit' ? resolve(process.env.GIT_INDEX_FILE ?? resolve(gitDir, 'index')) : null;
  const { keptVariables } = await import('../src/git/environment.ts');
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('GIT_') && !(keptVariables as readonly string[]).includes(name)) delete process.env[name];
  }
  process.env.SYNC_RUN_HOOK = '1';

  const reply = await askRunner({ hook, args, top: process.cwd(), gitDir: resolve(gitDir), indexFile });
  if (reply !== 'no-runner') {
    process.stderr.write(reply.stderr);
    process.exitCode = reply.exitCode;
    return;
  }
  if (indexFile !== null) process.env.GIT_INDEX_FILE = indexFile;
  const main = module('cli/main');
  process.argv.splice(1, Infinity, fileURLToPath(main), 'hook', hook, ...args);
  await import(main.href);
}

async function askRunner(request: HookRequest): ReturnType<RunnerClient['sendToRunner']> {
  const client = module('runner/client');
  const present = await access(client).then(
    () => true,
    () => false,
  );
  return present ? ((await import(client.href)) as RunnerClient).sendToRunner(request) : 'no-runner';
}

/** A module of this package, as source or built, whichever this file is. */
function module(name: string): URL {
  return new URL(`../src/${name}${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
}

function giveUp(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sync-run: ${hook} did nothing: ${message.split('\n')[0]}\n`);
  process.exit(0);
}
