import { randomBytes } from 'node:crypto';
import { chmod, lstat, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { isMissing } from '../git/is-missing.ts';
import { ADDRESS_FILE } from './protocol.ts';
import { folderId, isPipe } from './socket-path.ts';

export interface ListenerOptions {
  stateFolder: string;
  /** From `socketAddress`. */
  address: string;
  onClient(socket: Socket): void;
}

/** A socket, and the note in the state folder by which clients find it. */
export interface Listener {
  readonly address: string;
  /** Whether clients still find it. */
  isFound(): Promise<boolean>;
  /** Takes no more clients and removes what leads here, and only that; resolves to what ends with the last client. */
  withdraw(): Promise<{ ended: Promise<void> }>;
}

/**
 * Listens and says where. When it returns, clients find it.
 *
 * @throws {SyncError} `LOCKED` if somebody else listens there, `IO` if it cannot be done
 */
export async function listen({ stateFolder, address, onClient }: ListenerOptions): Promise<Listener> {
  const server = createServer(onClient);
  const pipe = isPipe(address);
  if (pipe) await bind(server, address);
  else await bindAt(server, address);
  // A later error of the listening socket is no reason to fall over: clients take the lock, or wait for it, themselves.
  server.on('error', () => {});
  let inode: bigint | null;
  let note: string;
  try {
    inode = await inodeOf(address);
    note = await announce(stateFolder, address);
  } catch (cause) {
    // Whoever is not found must not be there either: it would go on without its lock.
    server.close();
    if (!pipe) await rm(address, { force: true });
    throw new SyncError('IO', `Saying where the runner listens failed: ${(cause as Error).message}`, { cause });
  }
  const isOurs = async (): Promise<boolean> => pipe || (inode !== null && (await inodeOf(address)) === inode);
  const isNoted = async (): Promise<boolean> => (await readNote(stateFolder)) === note;

  return {
    address,
    isFound: async () => (await isOurs()) && isNoted(),
    async withdraw() {
      const ended = new Promise<void>((resolve) => server.close(() => resolve()));
      if (await isNoted()) await rm(join(stateFolder, ADDRESS_FILE), { force: true });
      if (!pipe && (await isOurs())) await rm(address, { force: true });
      return { ended };
    },
  };
}

/**
 * Binds under a name of our own and renames it into place. The rename replaces a stale socket, and libuv, which unlinks
 * by name when it closes, finds nothing of a successor's under that name.
 */
async function bindAt(server: Server, address: string): Promise<void> {
  await refuseLiving(address);
  const own = `${address.slice(0, -'.sock'.length)}.${randomBytes(2).toString('hex')}`;
  await bind(server, own);
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

function bind(server: Server, path: string): Promise<void> {
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
  const found = await orNull(lstat(address));
  if (!found) return;
  if (!found.isSocket()) throw new SyncError('IO', `"${address}" is there and is no socket`, { hint: 'Remove it' });
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
async function announce(stateFolder: string, address: string): Promise<string> {
  const path = join(stateFolder, ADDRESS_FILE);
  const temp = `${path}.${randomBytes(6).toString('hex')}`;
  const note = `${address}\n${await folderId(stateFolder)}\n`;
  await writeFile(temp, note, { mode: 0o600, flag: 'wx' });
  try {
    await rename(temp, path);
  } catch (error) {
    await rm(temp, { force: true });
    throw error;
  }
  return note;
}

function readNote(stateFolder: string): Promise<string | null> {
  return orNull(readFile(join(stateFolder, ADDRESS_FILE), 'utf8'));
}

/** Null for a pipe, which is in no folder. */
async function inodeOf(address: string): Promise<bigint | null> {
  return isPipe(address) ? null : ((await orNull(lstat(address, { bigint: true })))?.ino ?? null);
}

async function orNull<T>(looked: Promise<T>): Promise<T | null> {
  try {
    return await looked;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
