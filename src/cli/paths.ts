import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { SyncError } from '../core/errors.ts';
import type { Context } from '../runner/context.ts';
import { readStatus } from '../runner/status.ts';

/**
 * Paths as people type them, relative to `cwd`, as paths from the top of the working tree with `/`. Null means everything.
 *
 * @throws {SyncError} `NOT_FOUND` for a path outside of the working tree, `USAGE` for an empty one: that is a variable that was not set
 */
export async function toRepositoryPaths(top: string, cwd: string, paths: readonly string[]): Promise<string[] | null> {
  const inside = await Promise.all(paths.map((path) => toRepositoryPath(top, cwd, path)));
  return inside.length === 0 || inside.includes('') ? null : [...new Set(inside)];
}

/** The top itself is the empty path. */
export async function toRepositoryPath(top: string, cwd: string, path: string): Promise<string> {
  if (path === '') throw new SyncError('USAGE', 'A path is empty', { hint: 'Name a path, or "." for everything here' });
  // git gives the top without symbolic links, so the folder of the path must be without them too.
  const full = await withoutLinks(resolve(cwd, path));
  const inside = relative(top, full);
  if (inside === '..' || inside.startsWith(`..${sep}`) || isAbsolute(inside)) {
    throw new SyncError('NOT_FOUND', `"${path}" lies outside of the working tree "${top}"`, { hint: 'Name a path below it' });
  }
  return inside.split(sep).join('/');
}

/**
 * Refuses paths that name nothing: neither a folder that holds the root, nor anything either side or the base knows.
 *
 * @throws {SyncError} `NOT_FOUND`
 */
export async function requireKnown(context: Context, paths: readonly string[] | null): Promise<void> {
  if (paths === null) return;
  const { root } = context.config;
  const base = (await context.state.base()).map((entry) => entry.path);
  for (const path of paths) {
    if (root === path || root.startsWith(`${path}/`) || isAmong(path, base)) continue;
    const { items, skipped } = await readStatus(context, [path]);
    if (items > 0 || skipped.length > 0) continue;
    throw new SyncError('NOT_FOUND', `"${path}" is neither a file nor a row that a mapping knows, nor a folder of such`, {
      hint: `Mapped files lie below "${root}"; see npx sync-run status`,
    });
  }
}

/** Whether one of `known` is the path or lies below it. */
export function isAmong(path: string, known: readonly string[]): boolean {
  return known.some((other) => other === path || other.startsWith(`${path}/`));
}

/** The last name itself may be a link, and may not be there. */
async function withoutLinks(path: string): Promise<string> {
  const folder = dirname(path);
  if (folder === path) return path;
  try {
    return join(await realpath(folder), relative(folder, path));
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['ENOENT', 'ENOTDIR'].includes(code))
      throw new SyncError('NOT_FOUND', `"${path}" cannot be looked at (${code})`, { cause: error });
    return join(await withoutLinks(folder), relative(folder, path));
  }
}
