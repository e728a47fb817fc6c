import { access, constants, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SyncError } from '../core/errors.ts';
import { isMissing } from './is-missing.ts';
import type { Repository } from './repository.ts';

/** What the stub finds in its file `paths`. */
export interface StubPaths {
  /** The program that runs the entry: Node or Deno. */
  runtime: string;
  /** `hooks/entry` of the installed package. */
  entry: string;
  /** The mapped root, from the top of the tree; `.` is all of it. */
  root: string;
}

/** The folder of the stub: in the common git dir, so that all worktrees share it and no branch can replace it. */
export function stubFolder(repo: Pick<Repository, 'commonDir'>): string {
  return join(repo.commonDir, 'sync-run-hooks');
}

/** The stub as this version ships it. */
export async function stubText(): Promise<Buffer> {
  // `hooks/` is beside `src/` and beside `dist/`.
  const up = isBuilt() ? '../../../' : '../../';
  return readFile(new URL(`${up}hooks/stub.sh`, import.meta.url));
}

/** The entry of this package: source, or as scripts/build.ts makes it, whichever this file is. */
export function entryPath(): string {
  return fileURLToPath(new URL(`../../hooks/entry${isBuilt() ? '.cjs' : '.ts'}`, import.meta.url));
}

/** @throws {SyncError} `CONFIG` for a path the file cannot hold */
export function formatPaths({ runtime, entry, root }: StubPaths): string {
  const values = [slashes(runtime), slashes(entry), root === '' ? '.' : root];
  const broken = values.find((value) => /[\r\n]/.test(value));
  if (broken !== undefined)
    throw new SyncError('CONFIG', `Git hooks cannot be set up with a newline in the path ${JSON.stringify(broken)}`);
  return values.map((value) => `${value}\n`).join('');
}

/** What is wrong with the installed stub; null if it works and is of this version. */
export async function stubProblem(repo: Pick<Repository, 'commonDir'>): Promise<string | null> {
  const [stub, paths] = await Promise.all(['stub.sh', 'paths'].map((name) => readOrNull(join(stubFolder(repo), name))));
  if (!stub || !paths) return 'the stub is gone';
  if (!stub.equals(await stubText())) return 'the stub is of another version';
  const [runtime = '', entry = ''] = paths.toString('utf8').split('\n');
  if (!(await allows(entry, constants.R_OK))) return `the package it was installed from is gone ("${entry}")`;
  if (!(await allows(runtime, constants.X_OK))) return `the runtime it was installed with is gone ("${runtime}")`;
  return null;
}

/** @returns null if there is no such file */
export async function readOrNull(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function allows(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** The sh that comes with Git for Windows takes drive letters, but no backslashes. */
function slashes(path: string): string {
  return process.platform === 'win32' ? path.replaceAll('\\', '/') : path;
}

function isBuilt(): boolean {
  return import.meta.url.endsWith('.js');
}
