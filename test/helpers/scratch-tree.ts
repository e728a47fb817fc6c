import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FileChange } from '../../src/core/batch.ts';
import { digest, type Digest } from '../../src/core/digest.ts';
import { assignNames } from '../../src/tree/names.ts';
import type { TextOf } from '../../src/tree/tree.ts';

/** A directory of its own for one test, removed afterwards. */
export interface ScratchTree {
  top: string;
  /** Changed paths are below this. */
  root: 'db';
  at(path: string): string;
  write(path: string, text: string): Promise<void>;
  read(path: string): Promise<string>;
  /** Every file below the top with its text, by path; a directory without files shows as `path/`. */
  all(): Promise<Record<string, string>>;
  remove(): Promise<void>;
}

/** @param parent `memory()` for tests that make thousands of trees, whose fsyncs would only wait for the disk */
export async function scratchTree(
  context: Pick<TestContext, 'after'> | null,
  files: Record<string, string> = {},
  parent: string = tmpdir(),
): Promise<ScratchTree> {
  const top = await realpath(await mkdtemp(join(parent, 'sync-run-tree-')));
  const at = (path: string): string => join(top, path);
  const tree: ScratchTree = {
    top,
    root: 'db',
    at,
    async write(path, text) {
      await mkdir(dirname(at(path)), { recursive: true });
      await writeFile(at(path), text);
    },
    read: (path) => readFile(at(path), 'utf8'),
    async all() {
      const found: Record<string, string> = {};
      const visit = async (below: string): Promise<void> => {
        const entries = await readdir(at(below), { withFileTypes: true });
        if (entries.length === 0 && below !== '') found[`${below}/`] = '';
        for (const entry of entries) {
          const path = below === '' ? entry.name : `${below}/${entry.name}`;
          if (entry.isDirectory()) await visit(path);
          else found[path] = entry.isFile() ? await tree.read(path) : '(no file)';
        }
      };
      await visit('');
      return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
    },
    remove: () => rm(top, { recursive: true, force: true }),
  };
  context?.after(() => tree.remove());
  for (const [path, text] of Object.entries(files)) await tree.write(path, text);
  return tree;
}

/** A directory on a file system in memory, where there is one. */
export function memory(): string {
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
}

/** Path, text before, text after; null is no file. */
export type Edit = [path: string, before: string | null, after: string | null];

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** The changes of a batch, and the texts it would find in the state. */
export function changesOf(edits: readonly Edit[], mode = 0o644): { changes: FileChange[]; textOf: TextOf } {
  const texts = new Map<Digest, Uint8Array>();
  const keep = (text: string | null): Digest | null => {
    if (text === null) return null;
    texts.set(digest(bytes(text)), bytes(text));
    return digest(bytes(text));
  };
  const changes = edits.map(([path, before, after]) => ({ path, before: keep(before), after: keep(after), mode, temp: null, kept: null }));
  return { changes: assignNames('0123456789abcdef0123456789abcdef', changes), textOf: (wanted) => texts.get(wanted) ?? null };
}
