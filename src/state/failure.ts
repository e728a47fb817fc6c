import { createReadStream } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SyncError } from '../core/errors.ts';
import { SqliteError } from '../sqlite/thread.ts';
import { isErrno } from './folder.ts';

/** An error of a connection in this thread, or in one of its own. */
type SqliteFailure = { errcode?: number; message: string };

/** Turns an error of the state's database into one a user can act on; others stay what they are. */
export async function stateError(error: unknown, folder: string): Promise<unknown> {
  if (!(error instanceof SqliteError)) return error;
  const path = join(folder, 'state.db');
  if (isDiskFailure(error)) return new SyncError('IO', `Could not use "${path}": ${error.message}`, { cause: error });
  switch (primaryCode(error)) {
    case 11: // CORRUPT
    case 26: // NOTADB
      return (await unreadable(path)) ?? corrupt(folder, error.message, error);
    case 5: // BUSY
      return new SyncError('LOCKED', `Another process kept writing "${path}"`, { cause: error, hint: 'Run the command again' });
    case 19: // CONSTRAINT: a batch ended twice, or begun while another one is unfinished
      return new SyncError('INTERNAL', `Refused to change "${path}": ${error.message}`, { cause: error });
    default:
      return error;
  }
}

/**
 * SQLite takes a disk that fails to be read for a corrupt file (`SQLITE_IOERR_CORRUPTFS` in its vdbe.c); that state may be whole.
 * Closing the file frees this process's locks on it (fcntl(2)), which a connection that met corruption has no more use for.
 */
async function unreadable(path: string): Promise<SyncError | null> {
  for (const file of [path, `${path}-wal`]) {
    try {
      await pipeline(createReadStream(file), new Writable({ write: (_chunk, _encoding, done) => done() }));
    } catch (cause) {
      if (isErrno(cause, 'ENOENT')) continue;
      return new SyncError('IO', `Could not read "${file}": ${String(cause)}`, { cause });
    }
  }
  return null;
}

/** State that cannot be used, with the command that sets it aside. */
export async function corrupt(folder: string, what: string, cause?: unknown): Promise<SyncError> {
  return new SyncError('STATE', `The state "${join(folder, 'state.db')}" is corrupt: ${what}`, { cause, hint: await setAside(folder) });
}

/** The command that sets the state aside, and what follows from it. Names are chosen so that it overwrites nothing. */
export async function setAside(folder: string): Promise<string> {
  const file = join(folder, 'state.db');
  let aside = `${file}.bad`;
  for (let i = 2; await exists(aside); i++) aside = `${file}.bad${i}`;
  const commands: string[] = [];
  for (const end of ['', '-wal', '-shm']) {
    if (await exists(file + end)) commands.push(`mv ${quote(file + end)} ${quote(aside + end)}`);
  }
  return (
    `Stop every sync-run of this working tree, then: ${commands.join(' && ')}\n` +
    'Nothing is deleted by that: rows and files stay as they are, and the next run knows nothing of what they agreed on, ' +
    'so it adopts what is equal and names what differs as a conflict. Trust in the configuration is asked for again'
  );
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    // Nothing to move, or a name that is free.
    return false;
  }
}

function quote(path: string): string {
  return `"${path.replaceAll(/[\\"$`]/g, '\\$&')}"`;
}

/** Deno gives most errors no code. */
const messages: [RegExp, number][] = [
  [/malformed/, 11],
  [/not a database/, 26],
  [/is locked/, 5],
  [/constraint failed|has ended already/, 19],
  [/readonly database/, 8],
  [/disk I\/O/, 10],
  [/is full/, 13],
  [/unable to open/, 14],
];

/** Whether SQLite says of the disk, and not of what is in the file, that it does not do as it should. */
export function isDiskFailure(error: SqliteFailure): boolean {
  return [8, 10, 13, 14].includes(primaryCode(error)); // READONLY, IOERR, FULL, CANTOPEN
}

/** Whether another connection's lock was in the way. */
export function isBusy(error: SqliteFailure): boolean {
  return primaryCode(error) === 5;
}

/** What SQLite calls a primary result code; 0 where nobody knows. */
function primaryCode(error: SqliteFailure): number {
  if (error.errcode) return error.errcode & 0xff;
  return messages.find(([pattern]) => pattern.test(error.message))?.[1] ?? 0;
}
