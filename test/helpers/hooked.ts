import { chmod, readFile, writeFile } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { openRepository, type Repository } from '../../src/git/repository.ts';
import { applyHooks } from '../../src/git/hooks-apply.ts';
import { planHooks, type PlanOptions } from '../../src/git/hooks-plan.ts';
import type { ScratchRepository } from './repository.ts';

/** A runtime for hooks that notes what it was started with, and ends as told. */
export interface NotingRuntime {
  path: string;
  /** The arguments of each start after the entry and the git dir, one line each. */
  starts(): Promise<string[]>;
  /** The exit code from now on. */
  endWith(code: number): Promise<void>;
}

export async function notingRuntime(scratch: ScratchRepository, name = 'runtime'): Promise<NotingRuntime> {
  const path = scratch.beside(name);
  const notes = scratch.beside(`${name}.notes`);
  await writeFile(notes, '');
  const endWith = async (code: number) => {
    await writeFile(path, `#!/bin/sh\ncat >/dev/null\nshift 2\nprintf '%s\\n' "$*" >>'${notes.replaceAll("'", `'\\''`)}'\nexit ${code}\n`);
    await chmod(path, 0o755);
  };
  await endWith(0);
  const starts = async () => (await readFile(notes, 'utf8')).split('\n').filter((line) => line !== '');
  return { path, starts, endWith };
}

/** Installs the hooks as `sync-run hooks install` does, with a file in place of the entry. */
export async function install(
  scratch: ScratchRepository,
  options: Partial<PlanOptions> & { runtime: string; cwd?: string },
): Promise<Repository> {
  const repo = await openRepository(options.cwd ?? scratch.path, scratch.env);
  const entry = options.entry ?? scratch.beside('entry.js');
  if (options.entry === undefined) await writeFile(entry, '');
  await applyHooks(repo, await planHooks(repo, { root: 'db', entry, ...options }));
  return repo;
}

/** Runs a program to its end; unlike `git` of the scratch repository it does not mind how that is. */
export function outcome(
  scratch: ScratchRepository,
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const where = { cwd: options.cwd ?? scratch.path, env: { ...scratch.env, ...options.env } };
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, where, (error, stdout, stderr) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
    child.stdin?.end();
  });
}
