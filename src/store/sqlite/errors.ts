import { SyncError } from '../../core/errors.ts';
import { SqliteError } from '../../sqlite/thread.ts';
import { NoTableError } from '../link.ts';
import { RefusedError, RetryError } from '../store.ts';

const BUSY = 5;
const LOCKED = 6;
const NOMEM = 7;
const READONLY = 8;
const IOERR = 10;
const CANTOPEN = 14;
const TOOBIG = 18;
const CONSTRAINT = 19;
const MISMATCH = 20;
const NOTADB = 26;

/** What an error of SQLite means to the caller (https://www.sqlite.org/rescode.html). Errors of ours pass. */
export function translate(error: unknown, file?: string): unknown {
  if (!(error instanceof SqliteError)) return error;
  const where = file ? ` "${file}"` : '';
  switch (error.errcode & 0xff) {
    case BUSY:
    case LOCKED:
      return new RetryError('The SQLite database is locked by another program', { cause: error });
    case CONSTRAINT:
    case TOOBIG:
    case MISMATCH:
      return new RefusedError(`The database refused the row: ${error.message}`, { cause: error });
    case READONLY:
      return new SyncError('DATABASE', 'The SQLite database is read-only', {
        hint: 'Check the permissions of the database file and of its folder',
        cause: error,
      });
    case CANTOPEN:
      return new SyncError('UNREACHABLE', `The SQLite database${where} cannot be opened`, {
        hint: 'Check the path in the database URL, and the permissions of the file and of its folder',
        cause: error,
      });
    case NOTADB:
      return new SyncError('DATABASE', `The file${where} is not a SQLite database`, {
        hint: 'Check the path in the database URL',
        cause: error,
      });
    default: {
      const Kind = error.message.startsWith('no such table') ? NoTableError : SyncError;
      return new Kind('DATABASE', `SQLite reported an error: ${error.message}`, { cause: error });
    }
  }
}

/**
 * What a failed COMMIT means. SQLite says that it took the transaction back, but where the disk or the memory failed once the mark of the
 * commit was in the log (`sqlite3WalFrames` in its wal.c), whoever reads that log anew after a crash finds it committed. The same is so
 * where the thread was gone before it could answer.
 */
export function commitError(error: unknown): unknown {
  const errcode = error instanceof SqliteError ? error.errcode & 0xff : 0;
  if (![0, NOMEM, IOERR].includes(errcode)) return translate(error);
  return new SyncError('COMMIT_UNKNOWN', `SQLite failed while the transaction was committed: ${(error as Error).message}`, {
    hint: 'Run the command again: it finds out whether the transaction was committed and goes on from there',
    cause: error,
  });
}
