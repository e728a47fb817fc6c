import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { SyncError } from '../core/errors.ts';

export interface MysqlTarget {
  kind: 'mysql';
  host: string;
  port: number;
  socket: string | null;
  user: string;
  password: string;
  database: string;
  /** `verify`: encrypted and the certificate checked; `required`: encrypted, whoever answers; `off`: in clear. */
  tls: 'required' | 'verify' | 'off';
}

export interface SqliteTarget {
  kind: 'sqlite';
  path: string;
}

const FORMS = 'mysql://user:password@host:port/name (also with "?socket=/path" and "?tls=required|verify|off") or sqlite:path';

/**
 * Reads a database URL. What is wrong with it is said without repeating it, since any part may be a password.
 *
 * @param baseDir folder a relative `sqlite:` path starts from
 * @throws {SyncError} `CONFIG`
 */
export function parseUrl(url: string, baseDir: string): MysqlTarget | SqliteTarget {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url.trim())?.[1]?.toLowerCase();
  if (scheme === 'sqlite') return { kind: 'sqlite', path: sqlitePath(url.trim(), baseDir) };
  if (scheme === 'mysql' || scheme === 'mariadb') return mysqlTarget(url.trim());
  throw invalid(scheme ? `The database URL has the unknown scheme "${scheme}"` : 'The database URL has no scheme');
}

/** The URL without its password, for messages. */
export function redactUrl(url: string): string {
  const text = url.trim();
  if (/^sqlite:/i.test(text)) return text;
  // The last "@" ends the user and password, whatever they hold; without one a "user:password" may have lost its host.
  const match = /^([a-z][a-z0-9+.-]*:\/\/)(.*)$/is.exec(text);
  if (!match) return '***';
  const [, scheme = '', rest = ''] = match;
  const at = rest.lastIndexOf('@');
  const [place = ''] = rest.slice(at + 1).split(/[?#]/);
  if (at < 0) return /^[\w.-]*(:\d+)?(\/[^:]*)?$/.test(place) ? `${scheme}${place}` : `${scheme}***`;
  const user = /^[^:/?#@]*/.exec(rest)?.[0] ?? '';
  return `${scheme}${user}:***@${place}`;
}

function sqlitePath(url: string, baseDir: string): string {
  const path = url.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '');
  if (path === '' || path === ':memory:' || path.startsWith('//')) throw invalid('The "sqlite:" URL does not name a file');
  if (path.includes('\0')) throw invalid('The "sqlite:" URL has a NUL in it');
  return resolve(baseDir, path);
}

function mysqlTarget(url: string): MysqlTarget {
  let parsed: URL;
  try {
    // An empty host after a user is no URL to the parser, but is what goes with a socket.
    parsed = new URL(url.replace(/^([a-z]+:\/\/[^/?#]*@)(?=\/)/i, '$1localhost'));
  } catch {
    // The cause would repeat the URL.
    throw invalid('The database URL is not valid');
  }
  const { hash, pathname, searchParams } = parsed;
  if (hash || pathname.includes('@') || url.slice(url.indexOf(':')).split('?')[0]?.includes('#')) {
    throw invalid('The database URL has "#", "/" or "@" where it cannot');
  }
  for (const name of searchParams.keys()) {
    if (name !== 'socket' && name !== 'tls') throw invalid('The database URL has an option other than "socket" and "tls"');
  }
  const database = decode(pathname.slice(1));
  if (database === '' || database.includes('/')) throw invalid('The database URL does not name a database');
  const socket = searchParams.get('socket');
  const host = decode(parsed.hostname).replace(/^\[|\]$/g, '') || 'localhost';
  const tls = searchParams.get('tls') ?? (socket !== null || isLoopback(host) ? 'off' : 'verify');
  if (tls !== 'required' && tls !== 'verify' && tls !== 'off') throw invalid('The database URL has an unknown value of "tls"');
  return {
    kind: 'mysql',
    host,
    port: parsed.port === '' ? 3306 : Number(parsed.port),
    socket,
    user: decode(parsed.username),
    password: decode(parsed.password),
    database,
    tls,
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('The database URL has a "%" that is not followed by two hex digits');
  }
}

function invalid(message: string): SyncError {
  return new SyncError('CONFIG', message, {
    hint: `Write it as ${FORMS}; special characters of the password as %XX`,
  });
}
