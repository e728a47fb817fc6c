import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Who holds the lock. Null where it is held but nobody has said by whom. */
export interface LockHolder {
  pid: number | null;
  command: string | null;
  /** Milliseconds since the epoch. */
  since: number | null;
}

export const UNKNOWN_HOLDER: LockHolder = { pid: null, command: null, since: null };

/** Says who holds the lock, by atomic replacement. Only the holder may call it. It informs, it locks nothing. */
export async function writeHolder(folder: string, holder: LockHolder): Promise<void> {
  const path = join(folder, 'lock.json');
  await writeFile(`${path}.tmp`, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}

/** Only the holder may call it, before it lets the lock go. */
export async function removeHolder(folder: string): Promise<void> {
  try {
    await rm(join(folder, 'lock.json'), { force: true });
  } catch {
    // It misleads nobody: the kernel is asked first whether the lock is held. And what was done under the lock must be told as it ended.
  }
}

/** Null where nothing readable is written, or where a process that is no more wrote it (it was killed). */
export async function readHolder(folder: string): Promise<LockHolder | null> {
  let said: Partial<LockHolder> | null;
  try {
    said = JSON.parse(await readFile(join(folder, 'lock.json'), 'utf8')) as Partial<LockHolder> | null;
  } catch {
    // Missing, torn or unreadable all mean the same here: nobody has said who holds it.
    return null;
  }
  if (typeof said?.pid !== 'number' || !isAlive(said.pid)) return null;
  return {
    pid: said.pid,
    command: typeof said.command === 'string' ? said.command : null,
    since: typeof said.since === 'number' ? said.since : null,
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, but belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
