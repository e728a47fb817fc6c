import { SyncError } from '../../core/errors.ts';
import { DeniedError, NoTableError } from '../link.ts';
import { RefusedError, RetryError } from '../store.ts';
import type { MysqlTarget } from '../url.ts';

/** What mysql2 puts on its errors; those of the server have a number and a state. */
export interface ServerError extends Error {
  code?: string;
  errno?: number;
  sqlState?: string;
}

const NO_TABLE = 1146;
/** Deadlock, lock wait time-out, lock table full, record changed since the snapshot, NOWAIT. */
const RETRY = new Set([1213, 1205, 1206, 1020, 3572]);
/** Access denied, host or account not allowed, unknown database, password expired, account locked, TLS demanded. */
const LOGIN = new Set([1044, 1045, 1049, 1130, 1131, 1132, 1133, 1251, 1275, 1524, 1698, 1820, 1862, 3118, 3159, 3955, 4151]);
const BUSY_SERVER = new Set([1040, 1053, 1129, 1152, 1158, 1159, 1160, 1161, 1203, 1226, 1927, 3169, 4031]);
/** Data errors that are not in the classes 22 and 23: SIGNAL, no default, wrong value, row too large, trigger recursion, checks. */
const REFUSED = new Set([1644, 1364, 1366, 1265, 1300, 1411, 1118, 1139, 1406, 1442, 1467, 1526, 1748, 3140, 3819, 4025]);
/** No right for the table or column, or for the command. */
const DENIED = new Set([1142, 1143, 1227, 1290, 1792, 1836]);
const TOO_BIG = 1153;

/** What an error while connecting means. Names host, database and user, never the password. */
export function connectError(error: unknown, target: MysqlTarget): unknown {
  if (!isServerError(error)) return error;
  const place = placeOf(target);
  if (error.code === 'HANDSHAKE_NO_SSL_SUPPORT') {
    return new SyncError('UNREACHABLE', `The server at ${place} does not offer TLS`, {
      hint: 'Add "?tls=off" to the database URL to send the password and the texts in clear',
      cause: error,
    });
  }
  if (error.code === 'HANDSHAKE_SSL_ERROR' || /certificate|altnames|SSL|TLS/i.test(`${error.code} ${error.message}`)) {
    return new SyncError('UNREACHABLE', `No trusted TLS connection to ${place}: ${error.message}`, {
      hint: 'Make the server\'s certificate known with NODE_EXTRA_CA_CERTS, or add "?tls=required" to the database URL to not check it',
      cause: error,
    });
  }
  if (error.errno === 1049) {
    return new SyncError('LOGIN', `There is no database "${target.database}" at ${place}`, {
      hint: 'Check the name at the end of the database URL',
      cause: error,
    });
  }
  if ((error.errno && LOGIN.has(error.errno)) || error.code?.startsWith('AUTH_SWITCH')) {
    const plugin = error.code?.startsWith('AUTH_SWITCH');
    return new SyncError('LOGIN', `The server at ${place} refused the login of "${target.user}" to "${target.database}"`, {
      hint: plugin
        ? 'The account needs a way to log in that the client does not know; use mysql_native_password or caching_sha2_password'
        : 'Check user, password and database in the database URL, and the GRANTs of the user',
      details: [error.code ?? String(error.errno)],
      cause: error,
    });
  }
  return new SyncError('UNREACHABLE', `The database server at ${place} cannot be reached: ${reason(error)}`, {
    hint: 'Check that the server runs and that host and port in the database URL are right',
    cause: error,
  });
}

/** What an error of a statement means. Errors of ours pass. */
export function statementError(error: unknown, target: MysqlTarget): unknown {
  if (!isServerError(error) || error instanceof SyncError || error instanceof RefusedError) return error;
  const { errno = 0, sqlState, message } = error;
  if (!isFromServer(error)) {
    return new SyncError('UNREACHABLE', `The connection to ${placeOf(target)} was lost: ${reason(error)}`, { cause: error });
  }
  if (RETRY.has(errno)) return new RetryError(`The database took the transaction back: ${message}`, { cause: error });
  if (errno === NO_TABLE) return new NoTableError('DATABASE', `The database reported an error: ${message}`, { cause: error });
  if (DENIED.has(errno)) {
    return new DeniedError('DATABASE', `The database user "${target.user}" lacks a right: ${message}`, {
      hint: 'Run "sync-run doctor" to see which GRANTs are missing',
      cause: error,
    });
  }
  if (errno === TOO_BIG) {
    return new SyncError('DATABASE', 'A statement was larger than the server\'s "max_allowed_packet"', { cause: error });
  }
  if (REFUSED.has(errno) || /^(?:22|23|44|45)/.test(sqlState ?? '')) {
    return new RefusedError(`The database refused the row: ${message}`, { cause: error });
  }
  if (BUSY_SERVER.has(errno)) {
    return new SyncError('UNREACHABLE', `The database server at ${placeOf(target)} ended the connection: ${message}`, { cause: error });
  }
  return new SyncError('DATABASE', `The database reported an error: ${message}`, { cause: error });
}

/** What a failed COMMIT means: only a deadlock is known to have changed nothing. */
export function commitError(error: unknown, target: MysqlTarget): unknown {
  const translated = statementError(error, target);
  if (translated instanceof RetryError) return translated;
  return new SyncError('COMMIT_UNKNOWN', `The connection to ${placeOf(target)} was lost while the transaction was committed`, {
    hint: 'Run the command again: it finds out whether the transaction was committed and goes on from there',
    cause: error,
  });
}

/** Whether the server itself said so, as opposed to a broken connection. */
export function isFromServer(error: ServerError): boolean {
  return error.sqlState !== undefined && error.sqlState !== '' && error.errno !== undefined;
}

export function placeOf({ host, port, socket }: MysqlTarget): string {
  return socket === null ? `"${host}:${port}"` : `"${socket}"`;
}

function isServerError(error: unknown): error is ServerError {
  return error instanceof Error;
}

function reason(error: ServerError): string {
  // An AggregateError of all addresses of a name has no message of its own.
  return error.message || error.code || error.name;
}
