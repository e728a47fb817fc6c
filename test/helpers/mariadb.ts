import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import { createConnection, type Connection } from 'mysql2/promise';

const run = promisify(execFile);

/** A throwaway server; root logs in with the password over TCP and over the socket. */
export interface Server {
  port: number;
  socket: string;
  password: string;
  /** What another process finds it by, as the value of `SYNC_RUN_TEST_MARIADB`. */
  handle: string;
  /** A database of its own for one test. */
  createDatabase(options?: { charset?: string }): Promise<TestDatabase>;
  /** Runs SQL as root, outside of any database. */
  sql(text: string): Promise<Record<string, unknown>[]>;
  /** Kills the server (if this process started it) without letting it shut down. */
  stop(): Promise<void>;
}

export interface TestDatabase {
  name: string;
  /** `mysql://root:…@127.0.0.1:port/name` */
  url: string;
  /** The same over the unix socket. */
  socketUrl: string;
  /** Runs statements as root in the database, outside of the code under test; the rows of the last one. */
  sql(text: string, values?: unknown[]): Promise<Record<string, unknown>[]>;
  /** A connection of its own, e.g. to hold locks with. Closed at the end of the test process. */
  connect(): Promise<Connection>;
}

let shared: Promise<Server> | undefined;
const cleanups: (() => Promise<void>)[] = [];
let registered = false;

/** The server of this test run: the one of `SYNC_RUN_TEST_MARIADB`, or one this process starts on first use and ends at its end. */
export function mariadb(): Promise<Server> {
  const handle = process.env['SYNC_RUN_TEST_MARIADB'];
  return (shared ??= handle ? Promise.resolve(attach(handle)) : startMariadb());
}

/** Call at the top of a test file: what is started on its behalf is ended when its tests are over. */
export function useMariadb(): () => Promise<Server> {
  if (!registered) {
    registered = true;
    after(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
      shared = undefined;
    });
  }
  return mariadb;
}

/**
 * Starts a server with a data folder, socket and loopback port of its own.
 *
 * @param options.args more options of `mariadbd`, e.g. `--sql-mode=`
 */
export async function startMariadb({ args = [] as string[] } = {}): Promise<Server> {
  const mariadbd = await findServer();
  const folder = await mkdtemp(join(tmpdir(), 'sync-run-db-'));
  await cp(await template(mariadbd), join(folder, 'data'), { recursive: true });
  const password = randomBytes(9).toString('base64url');
  await writeFile(
    join(folder, 'init.sql'),
    `ALTER USER root@localhost IDENTIFIED BY '${password}';
CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '${password}';
GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
`,
  );
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const child = launch(mariadbd, folder, port, args);
    const server = attach(JSON.stringify({ port, socket: join(folder, 's.sock'), password }));
    const stop = async (): Promise<void> => {
      await server.stop();
      await end(child);
      await rm(folder, { recursive: true, force: true });
    };
    try {
      await ready(server, child);
      cleanups.push(stop);
      return { ...server, stop };
    } catch (error) {
      const log = await readFile(join(folder, 'error.log'), 'utf8').catch(() => '');
      // Somebody else took the port between looking for one and using it.
      if (attempt < 5 && /already in use/i.test(log)) {
        await end(child);
        continue;
      }
      await stop();
      throw new Error(`mariadbd did not start:\n${log.slice(-2000)}`, { cause: error });
    }
  }
}

/** The shell kills the server as soon as its standard input ends, which it does when this process ends in whatever way. */
function launch(mariadbd: string, folder: string, port: number, args: readonly string[]): ChildProcess {
  const script = 'folder=$1; shift; "$@" >/dev/null 2>&1 & pid=$!; read -r line; kill -9 $pid; wait $pid; rm -rf "$folder"';
  const options = [
    '--no-defaults',
    ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    `--datadir=${join(folder, 'data')}`,
    `--socket=${join(folder, 's.sock')}`,
    // A server that starts removes the temporary tables it finds, also those of another one.
    `--tmpdir=${folder}`,
    `--pid-file=${join(folder, 'pid')}`,
    `--log-error=${join(folder, 'error.log')}`,
    `--init-file=${join(folder, 'init.sql')}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    '--skip-name-resolve',
    // Enough for tests; durability of the server itself is not what they look at.
    '--innodb-buffer-pool-size=32M',
    '--innodb-log-file-size=16M',
    '--innodb-flush-method=nosync',
    '--max-allowed-packet=16M',
    '--character-set-server=utf8mb4',
    ...args,
  ];
  const child = spawn('sh', ['-c', script, 'sh', folder, mariadbd, ...options], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  child.unref();
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.ref();
  child.stdin?.end();
  await gone;
}

async function ready(server: Server, child: ChildProcess): Promise<void> {
  for (const deadline = Date.now() + 60_000; ;) {
    try {
      await server.sql('DO 0');
      return;
    } catch (error) {
      const refused = error instanceof Error && 'errno' in error && error.errno === 1045;
      if (refused || Date.now() > deadline || child.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
}

function attach(handle: string): Server {
  const { port, socket, password } = JSON.parse(handle) as { port: number; socket: string; password: string };
  let admin: Connection | undefined;
  const connections: Connection[] = [];
  const login = {
    host: '127.0.0.1',
    port,
    user: 'root',
    password,
    charset: 'utf8mb4',
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
  };

  const open = async (database?: string): Promise<Connection> => {
    const connection = await createConnection({ ...login, ...(database && { database }), multipleStatements: true });
    connection.on('error', () => undefined);
    connections.push(connection);
    return connection;
  };
  const execute = async (connection: Connection, text: string, values?: unknown[]): Promise<Record<string, unknown>[]> => {
    const [result] = await connection.query(text, values);
    const last = Array.isArray(result) && Array.isArray(result.at(-1)) ? result.at(-1) : result;
    return Array.isArray(last) ? (last as Record<string, unknown>[]) : [];
  };
  const stop = async (): Promise<void> => {
    for (const connection of connections.splice(0)) connection.destroy();
  };
  cleanups.push(stop);
  return {
    port,
    socket,
    password,
    handle,
    async sql(text) {
      admin ??= await open();
      return execute(admin, text);
    },
    async createDatabase({ charset = 'utf8mb4' } = {}) {
      admin ??= await open();
      const name = `t_${randomBytes(8).toString('hex')}`;
      await admin.query(`CREATE DATABASE ${name} CHARACTER SET ${charset}`);
      let own: Connection | undefined;
      const authority = `root:${encodeURIComponent(password)}@127.0.0.1:${port}`;
      return {
        name,
        url: `mysql://${authority}/${name}`,
        socketUrl: `mysql://root:${encodeURIComponent(password)}@localhost/${name}?socket=${encodeURIComponent(socket)}`,
        async sql(text, values) {
          own ??= await open(name);
          return execute(own, text, values);
        },
        connect: () => open(name),
      };
    },
    stop,
  };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('No loopback port is free');
  return address.port;
}

/** An initialised data folder, made once per version of the server and copied from then on. */
async function template(mariadbd: string): Promise<string> {
  const { stdout } = await run(mariadbd, ['--no-defaults', '--version']);
  const version = /Ver (\S+)/.exec(stdout)?.[1] ?? 'unknown';
  const folder = join(tmpdir(), `sync-run-db-template-${process.getuid?.() ?? 0}-${version}`);
  if (await exists(folder)) return folder;
  const install = await findProgram('mariadb-install-db', 'mysql_install_db');
  const made = await mkdtemp(join(tmpdir(), 'sync-run-db-new-'));
  const data = join(made, 'data');
  await mkdir(data);
  await run(install, [
    '--no-defaults',
    `--datadir=${data}`,
    ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    '--innodb-log-file-size=16M',
  ]);
  try {
    await rename(data, folder);
  } catch (error) {
    // Another test process was faster.
    if (!(await exists(folder))) throw error;
  }
  await rm(made, { recursive: true, force: true });
  return folder;
}

async function findServer(): Promise<string> {
  try {
    return await findProgram('mariadbd');
  } catch (error) {
    if (process.getuid?.() !== 0) throw error;
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    await run('apt-get', ['update'], { env });
    await run('apt-get', ['install', '-y', 'mariadb-server'], { env, maxBuffer: 64 * 1024 * 1024 });
  } catch (cause) {
    throw new Error('The tests need MariaDB: install the package "mariadb-server"', { cause });
  }
  return findProgram('mariadbd');
}

async function findProgram(...names: string[]): Promise<string> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin', '/usr/local/sbin', '/opt/homebrew/bin'];
  for (const name of names) {
    for (const folder of folders) {
      if (folder && (await exists(join(folder, name)))) return join(folder, name);
    }
  }
  throw new Error(`The tests need MariaDB: install the package "mariadb-server" ("${names[0]}" was not found)`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
