import { readFile } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KnownStatus } from '../src/git/staged.ts';
import { askRunner } from './ask-runner.ts';

/** Tells the stub to block the commit. Not 1, with which a runtime ends on any defect. */
const blocked = 10;

const [gitDir = '.git', hook = '', ...args] = process.argv.slice(2);

process.on('exit', (code) => {
  process.exitCode = hook === 'pre-commit' && code === 1 ? blocked : 0;
});
process.on('uncaughtException', giveUp);
// A git child of ours fires no hook that does anything.
if (process.env.SYNC_RUN_HOOK !== '1') void runHook().catch(giveUp);

/** Hands the hook to the runner of this working tree, or does its work in this process if there is none. Sets the exit code. */
async function runHook(): Promise<void> {
  const status = toldStatus();
  const indexFile = hook === 'pre-commit' ? resolve(process.env.GIT_INDEX_FILE ?? resolve(gitDir, 'index')) : null;
  // Loaded together, since git waits; the second is for `askRunner`.
  const [{ keptVariables }] = await Promise.all([import('../src/git/environment.ts'), import('../src/runner/client.ts')]);
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('GIT_') && !(keptVariables as readonly string[]).includes(name)) delete process.env[name];
  }
  process.env.SYNC_RUN_HOOK = '1';

  const answer = await askRunner({ hook, args, indexFile, status }, resolve(gitDir, 'sync-run'));
  if (answer !== null) {
    for (const line of answer.lines) process.stderr.write(`sync-run: ${line}\n`);
    process.exitCode = answer.exit;
    return;
  }
  if (indexFile !== null) process.env.GIT_INDEX_FILE = indexFile;
  // What the command line looks at to know how it was started.
  const main = fileURLToPath(new URL(`../src/cli/main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url));
  process.argv.splice(1, Infinity, main, 'hook', hook, ...args);
  await import('../src/cli/main.ts');
}

/** What the stub's `git status` says of the root, on standard input. Null if it says nothing: then whoever does the work asks git. */
function toldStatus(): Promise<KnownStatus | null> {
  const { SYNC_RUN_STATUS_OF: root } = process.env;
  delete process.env.SYNC_RUN_STATUS_OF;
  const { promise, resolve: told } = Promise.withResolvers<KnownStatus | null>();
  if (root === undefined) told(null);
  else readFile(0, 'utf8', (error, output) => told(error === null && output.startsWith('# branch.oid ') ? { root, output } : null));
  return promise;
}

function giveUp(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sync-run: ${hook} did nothing: ${message.split('\n')[0]}\n`);
  process.exit(0);
}
