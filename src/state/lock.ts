import { realpath, stat } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { SyncError } from '../core/errors.ts';
import { loadSqlite } from '../sqlite/load.ts';
import { isBusy, isDiskFailure } from './failure.ts';
import { ensureFolder, isErrno } from './folder.ts';
import { readHolder, removeHolder, UNKNOWN_HOLDER, writeHolder } from './lock-file.ts';
import type { LockHolder } from './lock-file.ts';

export type { LockHolder } from './lock-file.ts';

/** The right to apply batches to one working tree. The kernel takes it back when the process dies, however it dies. */
export interface Lock extends AsyncDisposable {
  readonly holder: LockHolder;
  release(): Promise<void>;
}

export interface LockOptions {
  holder: { command: string };
}

interface Held {
  db: DatabaseSync;
  holder: LockHolder;
}

/**
 * The locks of this process, by real path of the folder. A connection that nothing refers to would be collected, and its lock
 * with it. And the file is never opened a second time here, since POSIX frees all locks of a process on a file when it closes
 * any descriptor of it.
 */
const heldHere = new Map<string, Held>();

/** Rivals that try in the same moment can turn each other away though nobody holds the lock. */
const TRIES = 4;

/** The lock, or null if somebody else has it. */
export async function tryLock(folder: string, options: LockOptions): Promise<Lock | null> {
  await ensureFolder(folder);
  const { DatabaseSync: Database } = await loadSqlite();
  const real = await realpath(folder);
  for (let i = 1; ; i++) {
    const lock = await attempt(Database, real, options);
    if (lock || i === TRIES) return lock;
    await setTimeout(1 + Math.random() * 5);
  }
}

/**
 * Waits for the lock. The kernel tells nobody when a file lock becomes free, so this asks again every 10 to 60 ms.
 *
 * @throws {SyncError} `LOCKED`, naming the holder, after `timeoutMs`
 * @throws the reason of `signal` when it is aborted
 */
export async function acquireLock(folder: string, options: LockOptions & { timeoutMs: number; signal?: AbortSignal }): Promise<Lock> {
  const { timeoutMs, signal } = options;
  const end = performance.now() + timeoutMs;
  signal?.throwIfAborted();
  let lock = await tryLock(folder, options);
  const { DatabaseSync: Database } = await loadSqlite();
  const real = await realpath(folder);
  while (!lock) {
    const left = end - performance.now();
    if (left <= 0) throw locked(await lockHolder(folder), timeoutMs);
    await pause(Math.min(left, 10 + Math.random() * 50), signal);
    lock = await attempt(Database, real, options);
  }
  if (signal?.aborted) await lock.release();
  signal?.throwIfAborted();
  return lock;
}

/**
 * Who holds the lock now; null if nobody does. The kernel is asked, so a file left by a killed process misleads nobody.
 * The holder does not notice.
 */
export async function lockHolder(folder: string): Promise<LockHolder | null> {
  const path = join(folder, 'lock.db');
  try {
    await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw new SyncError('IO', `Could not look at the lock "${path}"`, { cause: error });
  }
  const { DatabaseSync: Database } = await loadSqlite();
  const real = await realpath(folder);
  // A new holder has the lock a moment before it has said so.
  for (let i = 1; ; i++) {
    const here = heldHere.get(real);
    if (here) return here.holder;
    if (!isLocked(Database, real)) return null;
    const holder = await readHolder(real);
    if (holder || i === TRIES) return holder ?? UNKNOWN_HOLDER;
    await setTimeout(10);
  }
}

async function attempt(Database: typeof DatabaseSync, folder: string, options: LockOptions): Promise<Lock | null> {
  if (heldHere.has(folder)) return null;
  const db = lockExclusive(Database, folder);
  if (!db) return null;
  const holder = { pid: process.pid, command: options.holder.command, since: Date.now() };
  heldHere.set(folder, { db, holder });
  const letGo = async (): Promise<void> => {
    try {
      await removeHolder(folder);
    } finally {
      heldHere.delete(folder);
      db.close();
    }
  };
  // Once only: the next holder may be here already when it is called again.
  let released: Promise<void> | null = null;
  const release = (): Promise<void> => (released ??= letGo());
  try {
    await writeHolder(folder, holder);
  } catch (error) {
    await release();
    throw new SyncError('IO', `Could not write "${join(folder, 'lock.json')}"`, { cause: error });
  }
  return { holder, release, [Symbol.asyncDispose]: release };
}

/** Synchronous from opening to locking or closing, so that no two connections of this process are ever open at once. */
function lockExclusive(Database: typeof DatabaseSync, folder: string): DatabaseSync | null {
  const db = open(Database, folder, { readOnly: false });
  try {
    // In the rollback-journal mode of a new file, EXCLUSIVE keeps out readers too, and nothing is ever written.
    db.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
    return db;
  } catch (error) {
    db.close();
    if (isBusy(error as Error)) return null;
    throw failed(error, folder);
  }
}

function isLocked(Database: typeof DatabaseSync, folder: string): boolean {
  const db = open(Database, folder, { readOnly: true });
  try {
    db.exec('PRAGMA busy_timeout = 0; SELECT count(*) FROM sqlite_schema');
    return false;
  } catch (error) {
    if (isBusy(error as Error)) return true;
    throw failed(error, folder);
  } finally {
    db.close();
  }
}

function open(Database: typeof DatabaseSync, folder: string, options: { readOnly: boolean }): DatabaseSync {
  try {
    return new Database(join(folder, 'lock.db'), options);
  } catch (error) {
    throw failed(error, folder);
  }
}

function failed(error: unknown, folder: string): SyncError {
  const path = join(folder, 'lock.db');
  if (isDiskFailure(error as Error)) return new SyncError('IO', `Could not lock "${path}": ${(error as Error).message}`, { cause: error });
  return new SyncError('STATE', `Could not lock "${path}": ${(error as Error).message}`, {
    cause: error,
    hint: `Stop every sync-run of this working tree, then: rm "${path}"`,
  });
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

function locked(holder: LockHolder | null, timeoutMs: number): SyncError {
  const { pid, command, since } = holder ?? UNKNOWN_HOLDER;
  const who = pid === null ? 'another process' : `process ${pid}`;
  const what = command === null ? '' : ` ("${command}")`;
  const when = since === null ? '' : ` since ${new Date(since).toISOString()}`;
  return new SyncError('LOCKED', `Waited ${timeoutMs / 1000} s for the lock, which ${who}${what} holds${when}`, {
    hint: `Wait for it to end, wait longer with --lock-timeout, or stop it${pid === null ? '' : `: kill ${pid}`}`,
  });
}
