import { cp, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One protection switched off. */
export interface Mutant {
  name: string;
  /** The promise it protects. */
  promise: string;
  file: string;
  /** Stands once in the file. */
  find: string;
  replace: string;
  /** The file of tests that notices, and which of its tests. */
  rig: string;
  tests?: RegExp;
  /** What the assertion that fails says. */
  red: RegExp;
}

/** The text of the file without its protection; fails where that does not stand there exactly once. */
export async function mutated(top: string, { name, file, find, replace }: Mutant): Promise<string> {
  const text = await readFile(join(top, file), 'utf8');
  const found = text.split(find).length - 1;
  if (found !== 1) throw new Error(`The mutant "${name}" does not fit: its text stands ${found} times in "${file}"`);
  return text.replace(find, () => replace);
}

/** Copies source and tests to a folder of their own and takes out the protection there; `remove` deletes the copy. */
export async function copyWith(top: string, mutant: Mutant): Promise<{ copy: string; remove(): Promise<void> }> {
  const text = await mutated(top, mutant);
  const copy = await realpath(await mkdtemp(join(tmpdir(), 'sync-run-mutant-')));
  for (const name of ['src', 'test', 'hooks', 'docs', 'package.json', 'tsconfig.json'])
    await cp(join(top, name), join(copy, name), { recursive: true });
  await symlink(join(top, 'node_modules'), join(copy, 'node_modules'));
  await writeFile(join(copy, mutant.file), text);
  return { copy, remove: () => rm(copy, { recursive: true, force: true }) };
}
