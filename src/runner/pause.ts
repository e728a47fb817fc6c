import { appendFile, link, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { ensureFolder, isErrno, syncFolder } from '../state/folder.ts';

/** A pause that lasts until somebody resumes, whatever runs or dies meanwhile. */
export interface Pause {
  who: string;
  why: string;
  /** Milliseconds since the epoch. */
  since: number;
}

export interface PastPause extends Pause {
  /** Milliseconds since the epoch. */
  until: number;
}

/** The name of the pause in the state folder, for those who watch it. */
export const PAUSE_FILE = 'pause.json';
const LOG_FILE = 'pauses.jsonl';
const LOG_BYTES = 64 * 1024;
const LOG_SHOWN = 50;

/**
 * The pause that holds in this state folder, or null. Any process may ask.
 * A file that cannot be understood still pauses: to go on by mistake is the worse error.
 */
export function readPause(folder: string): Promise<Pause | null> {
  return readPauseAt(join(folder, PAUSE_FILE));
}

async function readPauseAt(path: string): Promise<Pause | null> {
  const text = await readIfThere(path);
  if (text === null) return null;
  const found = parse(text);
  if (found !== null) return { who: found.who, why: found.why, since: found.since };
  return { who: 'unknown', why: `"${PAUSE_FILE}" cannot be read`, since: await changedAt(path) };
}

/** Pauses. Where it is paused already nothing changes and the older pause is returned. Durable when it returns. */
export async function pause(folder: string, { who, why, since }: Pause): Promise<Pause> {
  await ensureFolder(folder);
  const temp = join(folder, `.pause-${process.pid}-${since}-${Math.random().toString(36).slice(2)}`);
  try {
    const file = await open(temp, 'wx', 0o600);
    try {
      await file.writeFile(`${JSON.stringify({ who, why, since })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike a rename, a link never replaces the pause somebody else made in between.
    await link(temp, join(folder, PAUSE_FILE));
    await syncFolder(folder);
  } catch (cause) {
    if (!isErrno(cause, 'EEXIST')) {
      throw new SyncError('IO', `Writing "${join(folder, PAUSE_FILE)}" failed: ${(cause as Error).message}`, { cause });
    }
  } finally {
    await rm(temp, { force: true });
  }
  return (await readPause(folder)) ?? { who, why, since };
}

/** Ends the pause and logs it; returns what it was, or null where there was none. */
export async function resume(folder: string, now: number): Promise<PastPause | null> {
  const path = join(folder, PAUSE_FILE);
  const taken = join(folder, `.resumed-${process.pid}-${Math.random().toString(36).slice(2)}`);
  try {
    // Of two who resume at once one finds nothing, so that the pause is logged once.
    await rename(path, taken);
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) return null;
    throw new SyncError('IO', `Removing "${path}" failed: ${(cause as Error).message}`, { cause });
  }
  await syncFolder(folder);
  const ended = await readPauseAt(taken);
  await rm(taken, { force: true });
  const past = { ...(ended ?? { who: 'unknown', why: 'unknown', since: now }), until: now };
  await logPause(folder, past);
  return past;
}

/** Adds a pause or lease that is over to the log, which keeps the last 64 KiB or so. */
export async function logPause(folder: string, past: PastPause): Promise<void> {
  const path = join(folder, LOG_FILE);
  await appendFile(path, `${JSON.stringify(past)}\n`, { mode: 0o600 });
  if ((await stat(path)).size > LOG_BYTES) await rename(path, `${path}.old`);
}

/** Past pauses, newest first. */
export async function pastPauses(folder: string): Promise<PastPause[]> {
  const texts = await Promise.all([`${LOG_FILE}.old`, LOG_FILE].map((name) => readIfThere(join(folder, name))));
  const found: PastPause[] = [];
  for (const line of texts.join('').split('\n')) {
    const past = parse(line);
    // A line cut short by a crash says nothing.
    if (past !== null && typeof past.until === 'number') found.push(past as PastPause);
  }
  return found.reverse().slice(0, LOG_SHOWN);
}

function parse(text: string): (Pause & { until?: unknown }) | null {
  try {
    const value = JSON.parse(text) as Partial<PastPause> | null;
    if (value === null || typeof value.who !== 'string' || typeof value.why !== 'string' || typeof value.since !== 'number') return null;
    return value as Pause & { until?: unknown };
  } catch {
    // Not JSON: the caller knows what that means.
    return null;
  }
}

async function changedAt(path: string): Promise<number> {
  try {
    return Math.round((await stat(path)).mtimeMs);
  } catch (cause) {
    // Resumed a moment ago: nobody will ask since when.
    if (isErrno(cause, 'ENOENT')) return 0;
    throw new SyncError('IO', `Reading "${path}" failed: ${(cause as Error).message}`, { cause });
  }
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) return null;
    throw new SyncError('IO', `Reading "${path}" failed: ${(cause as Error).message}`, { cause });
  }
}
