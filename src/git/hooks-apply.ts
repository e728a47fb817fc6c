import { randomUUID } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { withoutBlock } from './hooks-block.ts';
import { readConfigHooks, removeConfigHook, writeConfigHook } from './hooks-config.ts';
import { isHusky, type HookRepository } from './hooks-detect.ts';
import { withoutJob } from './hooks-lefthook.ts';
import { hookNames } from './hooks-names.ts';
import type { HookPlan } from './hooks-plan.ts';
import { readOrNull, stubFolder, stubText } from './hooks-stub.ts';

/**
 * Carries out a plan. The stub comes first, so that no hook ever calls what is not there. Doing it twice changes nothing.
 *
 * @throws {SyncError} `IO` if a script is no longer what the plan saw; what was written until then works and stays
 */
export async function applyHooks(repo: HookRepository, plan: HookPlan): Promise<void> {
  const folder = stubFolder(repo);
  await mkdir(folder, { recursive: true });
  await put(join(folder, 'paths'), Buffer.from(plan.paths), 0o644);
  await put(join(folder, 'stub.sh'), await stubText(), 0o755);
  for (const { path, before, after } of plan.files) {
    await expect(path, before);
    await mkdir(dirname(path), { recursive: true });
    await put(path, after, 0o755);
  }
  for (const hook of plan.config) await writeConfigHook(repo, hook);
}

/**
 * Takes our part out of every place it may be in, also those git does not look at any more; the rest of each file stays
 * byte for byte, and a file that was made for our part goes. Since worktrees share hooks, this is for all of them.
 *
 * @returns the absolute paths of the files changed or deleted, and the names of the sections removed from git's configuration
 */
export async function removeHooks(repo: HookRepository): Promise<string[]> {
  const changed: string[] = [];
  for (const path of await possibleFiles(repo)) {
    const before = (await readOrNull(path))?.toString('latin1') ?? null;
    // Through a link it was added by hand, to a file that may be shared.
    if (before === null || (await lstat(path)).isSymbolicLink()) continue;
    const after = isLefthook(path) ? withoutJobs(before) : withoutBlock(before);
    if (after === before) continue;
    if (after === null) await rm(path);
    else await put(path, Buffer.from(after, 'latin1'), 0o755);
    changed.push(path);
  }
  for (const hook of (await readConfigHooks(repo)).keys()) {
    await removeConfigHook(repo, hook);
    changed.push(`hook.sync-run-${hook}`);
  }
  await rm(stubFolder(repo), { recursive: true, force: true });
  return changed;
}

async function possibleFiles(repo: HookRepository): Promise<string[]> {
  const folders = new Set([repo.hooksDir, join(repo.commonDir, 'hooks'), join(repo.top, '.husky')]);
  if (isHusky(repo)) folders.add(dirname(repo.hooksDir));
  // `.legacy` is where the pre-commit framework puts what it finds, `.old` where lefthook does.
  const scripts = [...folders].flatMap((folder) =>
    hookNames.flatMap((hook) => ['', '.legacy', '.old'].map((suffix) => join(folder, hook + suffix))),
  );
  const local = (await readdir(repo.top)).filter((name) => isLefthook(name)).map((name) => join(repo.top, name));
  return [...scripts, ...local];
}

function isLefthook(path: string): boolean {
  return /^\.?lefthook-local\.ya?ml$/.test(basename(path));
}

function withoutJobs(text: string): string | null {
  const rest = hookNames.reduce((kept, hook) => withoutJob(kept, hook), text);
  return rest === '' ? null : rest;
}

async function expect(path: string, before: Buffer | null): Promise<void> {
  const now = await readOrNull(path);
  if (now === null ? before === null : before?.equals(now)) return;
  throw new SyncError('IO', `Writing "${path}" was refused, since it changed meanwhile`, { hint: 'sync-run hooks install' });
}

/** Writes a file whole or not at all, with the mode it has or else `mode`. */
async function put(path: string, bytes: Buffer, mode: number): Promise<void> {
  const there = await readOrNull(path);
  if (there?.equals(bytes)) return;
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}`);
  try {
    await writeFile(temporary, bytes, { flag: 'wx' });
    await chmod(temporary, there === null ? mode : (await stat(path)).mode & 0o7777);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
