import { randomBytes } from 'node:crypto';
import { chmod, lstat, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { serveClient } from './conversation.ts';
import type { Conversation, Handlers } from './conversation.ts';
import { ADDRESS_FILE } from './protocol.ts';
import { folderId } from './socket-path.ts';
import { ensureToken } from './token.ts';

export interface ServerOptions {
  /** Proof that the caller is the one runner: a stale socket is replaced only by whoever holds the lock. */
  lock: { readonly holder: unknown };
  stateFolder: string;
  /** From `socketAddress`. */
  address: string;
  version: string;
  handlers: Handlers;
  /** Milliseconds in which a client must have proved itself, and in which a message must be complete. */
  handshakeMs?: number;
  messageMs?: number;
  /** Milliseconds after which a client whose batch is at work hears of it again. A hook waits six times as long. */
  aliveMs?: number;
}

export interface RunnerServer {
  readonly address: string;
  clients(): number;
  /**
   * Takes no more clients and requests, leaves no socket, and lets requests under way be answered.
   *
   * @param rest what else the runner has to end: the batch in hand, then the lock. It begins once the socket is gone,
   *   so that nothing of a successor's is taken away; who asked the runner to leave is told after it
   */
  close(rest?: () => Promise<void>): Promise<void>;
}

const CLIENTS = 512;

/** Listens for clients of the runner. When it returns, they find it. */
export async function startServer({
  lock,
  stateFolder,
  address,
  version,
  handlers,
  handshakeMs = 1_000,
  messageMs = 5_000,
  aliveMs = 5_000,
}: ServerOptions): Promise<RunnerServer> {
  if (lock.holder === null || lock.holder === undefined) throw new SyncError('INTERNAL', 'A server needs the lock');
  const token = await ensureToken(stateFolder);
  const conversations = new Set<Conversation>();
  let closing = false;
  const server = createServer((socket) => {
    if (closing || conversations.size >= CLIENTS) {
      socket.destroy();
      return;
    }
    const conversation = serveClient(socket, { token, version, handlers, handshakeMs, messageMs, aliveMs });
    conversations.add(conversation);
    void conversation.closed.then(() => conversations.delete(conversation));
  });
  const pipe = address.startsWith('\\\\.\\pipe\\');
  if (pipe) await listen(server, address);
  else await listenAt(server, address);
  // A later error of the listening socket is no reason to fall over: clients take the lock, or wait for it, themselves.
  server.on('error', () => {});
  const inode = pipe ? null : (await lstat(address, { bigint: true })).ino;
  await announce(stateFolder, address);

  return {
    address,
    clients: () => conversations.size,
    async close(rest = () => Promise.resolve()) {
      if (closing) return;
      closing = true;
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      await withdraw(stateFolder, address, inode);
      const ended = rest();
      await Promise.all([ended, ...[...conversations].filter((one) => !one.waitsForEnd()).map((one) => one.finish())]);
      await Promise.all([...conversations].map((one) => one.finish()));
      await stopped;
    },
  };
}

/**
 * Binds under a name of our own and renames it into place. The rename replaces a stale socket, and libuv, which unlinks
 * by name when it closes, finds nothing of a successor's under that name.
 */
async function listenAt(server: Server, address: string): Promise<void> {
  await refuseLiving(address);
  const own = `${address.slice(0, -'.sock'.length)}.${randomBytes(2).toString('hex')}`;
  await listen(server, own);
  try {
    // The folder is the real guard (unix(7)); this is for those who look at the file alone.
    await chmod(own, 0o600);
    await rename(own, address);
  } catch (cause) {
    server.close();
    await rm(own, { force: true });
    throw new SyncError('IO', `Placing the socket "${address}" failed: ${(cause as Error).message}`, { cause });
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => reject(new SyncError('IO', `Listening on "${path}" failed: ${cause.message}`, { cause }));
    server.once('error', failed);
    server.listen(path, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

/** Nobody can be there while we hold the lock; if somebody is, it is not for us to take the place. */
async function refuseLiving(address: string): Promise<void> {
  try {
    if (!(await lstat(address)).isSocket()) {
      throw new SyncError('IO', `"${address}" is there and is no socket`, { hint: 'Remove it' });
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect({ path: address });
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => resolve(false));
  });
  if (answered) throw new SyncError('LOCKED', `Another process listens on "${address}" although this one holds the lock`);
}

/** Says in which folder it stands, too: the state of a working tree may be copied along with the tree. */
async function announce(stateFolder: string, address: string): Promise<void> {
  const path = join(stateFolder, ADDRESS_FILE);
  const temp = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(temp, `${address}\n${await folderId(stateFolder)}\n`, { mode: 0o600, flag: 'wx' });
  await rename(temp, path);
}

/** Removes what leads to us, and only that. */
async function withdraw(stateFolder: string, address: string, inode: bigint | null): Promise<void> {
  try {
    const path = join(stateFolder, ADDRESS_FILE);
    if ((await readFile(path, 'utf8')).split('\n')[0] === address) await rm(path, { force: true });
    if (inode !== null && (await lstat(address, { bigint: true })).ino === inode) await rm(address, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
