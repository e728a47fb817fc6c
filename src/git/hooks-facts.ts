import { randomUUID } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Tells the stub of this working tree what it may rely on without starting Node. `statePath` must exist.
 *
 * @param facts.root the mapped root of the trusted configuration, from the top of the tree
 * @param facts.commit the commit (or tree) whose content below the root, and whose configuration, is what both sides last
 *   agreed on: nothing below the root modified or untracked, nothing ahead, in conflict, skipped or held on the file side.
 *   Null where that cannot be said; then every post-hook starts Node. Set it to null before a batch writes
 *   anything, and back only after its base is saved, so that a crash leaves it unset.
 */
export async function tellStub(statePath: string, facts: { root: string; commit: string | null }): Promise<void> {
  if (facts.commit === null) await rm(join(statePath, 'head'), { force: true });
  await put(join(statePath, 'root'), facts.root === '' ? '.' : facts.root);
  if (facts.commit !== null) await put(join(statePath, 'head'), facts.commit);
}

async function put(path: string, line: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  try {
    await writeFile(temporary, `${line}\n`, { flag: 'wx', mode: 0o600 });
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
