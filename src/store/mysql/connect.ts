import type { Socket } from 'node:net';
import { createConnection, type Connection, type ConnectionOptions, type ResultSetHeader } from 'mysql2/promise';
import { SyncError } from '../../core/errors.ts';
import type { Link } from '../link.ts';
import type { Row, Rows, Value } from '../sql.ts';
import { RefusedError } from '../store.ts';
import type { MysqlTarget } from '../url.ts';
import { commitError, connectError, placeOf, statementError } from './errors.ts';
import { unlessSilent, within } from './silence.ts';

const CONNECT_TIMEOUT = 10_000;
/** How long a statement waits for a lock of the application, in seconds. */
const LOCK_WAIT = 5;
/** How long COMMIT may go without an answer, in milliseconds, until its outcome counts as unknown. */
const COMMIT_TIMEOUT = 60_000;
/** How long a server may take to say that an idle connection is still one, in milliseconds: a network that went away tells nobody. */
const PING_TIMEOUT = 3_000;
/** How long a statement may go without a byte of an answer, in milliseconds. More than any lock it waits for (`SESSION`). */
const SILENCE = 90_000;

/**
 * Strict, so that nothing is stored other than it was sent. Without NO_ZERO_DATE, and with 0 as a value of
 * AUTO_INCREMENT columns, so that a whole row can be put back as it was.
 */
const SQL_MODE = 'STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO';

const SESSION = [
  'SET NAMES utf8mb4',
  `SET SESSION sql_mode = '${SQL_MODE}', time_zone = '+00:00', autocommit = 1, foreign_key_checks = 1, unique_checks = 1,
    innodb_lock_wait_timeout = ${LOCK_WAIT}, lock_wait_timeout = 60`,
  'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ',
];

/** Warnings that mean a value was not stored as sent; strict mode makes them errors, except where it does not reach. */
const DATA_WARNINGS = new Set([1048, 1263, 1264, 1265, 1292, 1300, 1364, 1366, 1406, 1411]);

export interface MysqlLink extends Link {
  version: string;
  maxAllowedPacket: number;
}

/**
 * Opens a connection and brings its session into the state everything here relies on.
 *
 * @param silence how long a statement may go without a byte of an answer, in milliseconds
 */
export async function connect(target: MysqlTarget, signal?: AbortSignal, silence = SILENCE): Promise<MysqlLink> {
  signal?.throwIfAborted();
  let connection: Connection;
  try {
    connection = await createConnection(optionsFor(target));
  } catch (error) {
    throw connectError(error, target);
  }
  // Errors of an idle connection have nobody waiting for them; `alive` finds them.
  let lost = false;
  connection.on('error', () => {
    lost = true;
  });
  try {
    const settings = await unlessSilent(socketOf(connection), silence, setUp(connection, target));
    return { ...createLink({ connection, target, silence, lost: () => lost }, signal), ...settings };
  } catch (error) {
    connection.destroy();
    throw statementError(error, target);
  }
}

function optionsFor(target: MysqlTarget): ConnectionOptions {
  const { socket, tls } = target;
  return {
    ...(socket === null ? { host: target.host, port: target.port } : { socketPath: socket }),
    user: target.user,
    password: target.password,
    database: target.database,
    charset: 'utf8mb4',
    connectTimeout: CONNECT_TIMEOUT,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    jsonStrings: true,
    stringifyObjects: true,
    namedPlaceholders: false,
    multipleStatements: false,
    disableEval: true,
    maxPreparedStatements: 200,
    flags: ['-LOCAL_FILES'],
    ...(tls !== 'off' && { ssl: tls === 'verify' ? { rejectUnauthorized: true, verifyIdentity: true } : { rejectUnauthorized: false } }),
  };
}

/** The socket below; mysql2 has it, but not in the types of its promises. */
function socketOf(connection: Connection): Socket {
  return (connection as unknown as { connection: { stream: Socket } }).connection.stream;
}

async function setUp(connection: Connection, target: MysqlTarget): Promise<Pick<MysqlLink, 'version' | 'maxAllowedPacket'>> {
  for (const statement of SESSION) await connection.query(statement);
  return readSettings(connection, target);
}

/** Proxies and odd servers accept a SET and forget it, so that what counts is read back. */
async function readSettings(connection: Connection, target: MysqlTarget): Promise<Pick<MysqlLink, 'version' | 'maxAllowedPacket'>> {
  const [rows] = await connection.query(`SELECT @@session.sql_mode AS mode, @@session.time_zone AS zone, @@session.autocommit AS autocommit,
    @@character_set_client AS client, @@character_set_connection AS connection, @@character_set_results AS results,
    @@session.innodb_lock_wait_timeout AS lockWait, @@max_allowed_packet AS packet, VERSION() AS version, @@version_comment AS comment`);
  const [found] = rows as Record<string, string | number>[];
  const modes = String(found?.['mode']).split(',');
  const wrong = [
    ...SQL_MODE.split(',').filter((mode) => !modes.includes(mode)),
    ...['NO_BACKSLASH_ESCAPES', 'ANSI_QUOTES', 'PAD_CHAR_TO_FULL_LENGTH'].filter((mode) => modes.includes(mode)),
    ...(found?.['zone'] === '+00:00' ? [] : ['time_zone']),
    ...(Number(found?.['autocommit']) === 1 ? [] : ['autocommit']),
    ...['client', 'connection', 'results'].filter((name) => found?.[name] !== 'utf8mb4'),
    ...(Number(found?.['lockWait']) === LOCK_WAIT ? [] : ['innodb_lock_wait_timeout']),
  ];
  if (wrong.length > 0) {
    throw new SyncError('DATABASE', `The server at ${placeOf(target)} did not take over session settings: ${wrong.join(', ')}`, {
      hint: 'Connect to the database server itself, not through a proxy that drops SET statements',
    });
  }
  const version = String(found?.['version']);
  const name = /mariadb/i.test(`${version} ${String(found?.['comment'])}`) ? 'MariaDB' : 'MySQL';
  return { version: `${name} ${version}`, maxAllowedPacket: Number(found?.['packet']) };
}

interface Open {
  connection: Connection;
  target: MysqlTarget;
  silence: number;
  /** Whether the connection broke while nobody used it. */
  lost(): boolean;
}

function createLink({ connection, target, silence, lost }: Open, signal?: AbortSignal): Link {
  const socket = socketOf(connection);
  let open = true;
  const destroy = (): void => {
    open = false;
    connection.destroy();
  };
  signal?.addEventListener('abort', destroy, { once: true });

  const attempt = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await unlessSilent(socket, silence, run());
    } catch (error) {
      signal?.throwIfAborted();
      const translated = statementError(error, target);
      if (translated instanceof SyncError && translated.code === 'UNREACHABLE') destroy();
      throw translated;
    }
  };
  return {
    execute: (text, values) =>
      attempt(async () => {
        const [result] = await connection.execute(text, values.map(bound));
        if (Array.isArray(result)) return Object.assign(result as Row[], { affected: result.length });
        const { warningStatus, affectedRows } = result as ResultSetHeader;
        if (warningStatus > 0) await refuseDataWarnings(connection);
        return Object.assign([], { affected: affectedRows }) as Rows<Row>;
      }),
    command: (text) => attempt(async () => void (await connection.query(text))),
    async commit() {
      // Interrupting a COMMIT would only make its outcome unknown.
      signal?.removeEventListener('abort', destroy);
      try {
        await within(COMMIT_TIMEOUT, connection.query('COMMIT'));
      } catch (error) {
        destroy();
        throw commitError(error, target);
      }
      signal?.addEventListener('abort', destroy, { once: true });
      if (signal?.aborted) destroy();
    },
    async inTransaction() {
      if (!open || lost()) return false;
      try {
        const [{ serverStatus }] = await within(PING_TIMEOUT, connection.query<ResultSetHeader>('DO 0'));
        return (serverStatus & SERVER_STATUS_IN_TRANS) !== 0;
      } catch {
        return false;
      }
    },
    async alive() {
      if (!open || lost()) return false;
      try {
        await within(PING_TIMEOUT, connection.ping());
        return true;
      } catch {
        destroy();
        return false;
      }
    },
    async close() {
      signal?.removeEventListener('abort', destroy);
      if (!open) return;
      destroy();
    },
  };
}

const SERVER_STATUS_IN_TRANS = 1;

/** Integers travel as text, since mysql2 sends numbers as DOUBLE; bytes as Buffers, since it knows no other. */
function bound(value: Value): string | number | null | Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (typeof value === 'bigint') return value.toString();
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value).toString() : value;
}

async function refuseDataWarnings(connection: Connection): Promise<void> {
  const [rows] = await connection.query('SHOW WARNINGS');
  const warnings = rows as { Level: string; Code: number; Message: string }[];
  const found = warnings.find(({ Level, Code }) => Level !== 'Note' && DATA_WARNINGS.has(Number(Code)));
  if (found) throw new RefusedError(`The database changed the value: ${found.Message}`);
}
