import { extname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { askRunner } from './ask-runner.ts';

/** Tells the stub to block the commit. Not 1, with which a runtime ends on any defect. */
const blocked = 10;

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
  // Loaded together, since git waits; the second is for `askRunner`.
  const [{ keptVariables }] = await Promise.all([import('../src/git/environment.ts'), import('../src/runner/client.ts')]);
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('GIT_') && !(keptVariables as readonly string[]).includes(name)) delete process.env[name];
  }
  process.env.SYNC_RUN_HOOK = '1';

  const answer = await askRunner({ hook, args, indexFile }, resolve(gitDir, 'sync-run'));
  if (answer !== null) {
    for (const line of answer.lines) process.stderr.write(`sync-run: ${line}\n`);
    process.exitCode = answer.exit;
    return;
  }
  if (indexFile !== null) process.env.GIT_INDEX_FILE = indexFile;
  // What the command line looks at to know how it was started.
  const main = fileURLToPath(new URL(`../src/cli/main${extname(import.meta.url)}`, import.meta.url));
  process.argv.splice(1, Infinity, main, 'hook', hook, ...args);
  await import('../src/cli/main.ts');
}

function giveUp(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sync-run: ${hook} did nothing: ${message.split('\n')[0]}\n`);
  process.exit(0);
}
