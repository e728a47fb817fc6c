import { cp, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Edit {
  file: string;
  /** Stands once in the file. */
  find: string;
  replace: string;
}

/** One protection switched off. */
export interface Mutant extends Edit {
  name: string;
  /** The promise it protects. */
  promise: string;
  /** Where a second protection catches what the first lets through: that one, switched off as well. */
  also?: readonly Edit[];
  /** The file of tests that notices, and which of its tests. */
  rig: string;
  tests?: RegExp;
  /** What the assertion that fails says. */
  red: RegExp;
}

/** The files the mutant changes, with their texts; fails where what it takes out does not stand there exactly once. */
export async function mutated(top: string, mutant: Mutant): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const { file, find, replace } of [mutant, ...(mutant.also ?? [])]) {
    const text = texts.get(file) ?? (await readFile(join(top, file), 'utf8'));
    const found = text.split(find).length - 1;
    if (found !== 1) throw new Error(`The mutant "${mutant.name}" does not fit: its text stands ${found} times in "${file}"`);
    texts.set(
      file,
      text.replace(find, () => replace),
    );
  }
  return texts;
}

/** Copies source and tests to a folder of their own and takes out the protection there; `remove` deletes the copy. */
export async function copyWith(top: string, mutant: Mutant): Promise<{ copy: string; remove(): Promise<void> }> {
  const texts = await mutated(top, mutant);
  const copy = await realpath(await mkdtemp(join(tmpdir(), 'sync-run-mutant-')));
  const copied = ['src', 'test', 'hooks', 'docs', 'package.json', 'tsconfig.json'];
  for (const name of copied) await cp(join(top, name), join(copy, name), { recursive: true });
  await symlink(join(top, 'node_modules'), join(copy, 'node_modules'));
  for (const [file, text] of texts) await writeFile(join(copy, file), text);
  return { copy, remove: () => rm(copy, { recursive: true, force: true }) };
}
