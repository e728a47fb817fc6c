import type { Socket } from 'node:net';
import { SyncError } from '../core/errors.ts';
import { serveClient } from './conversation.ts';
import type { Conversation, Handlers } from './conversation.ts';
import { listen, type Listener } from './listener.ts';
import { ensureToken } from './token.ts';

export interface ServerOptions {
  /** Proof that the caller is the one runner: a stale socket is replaced only by whoever holds the lock. */
  lock: { readonly holder: unknown };
  stateFolder: string;
  /** Where to listen: from `socketAddress`, asked again where the socket has to move. */
  address: () => Promise<string>;
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
  /** Listens anew where clients do not find it any more; whether it had to. */
  stayFound(): Promise<boolean>;
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
  const onClient = (socket: Socket): void => {
    if (closing || conversations.size >= CLIENTS) {
      socket.destroy();
      return;
    }
    const conversation = serveClient(socket, { token, version, handlers, handshakeMs, messageMs, aliveMs });
    conversations.add(conversation);
    void conversation.closed.then(() => conversations.delete(conversation));
  };
  const start = async (): Promise<Listener> => listen({ stateFolder, address: await address(), onClient });
  let listener = await start();
  // One after the other: each look begins with what the one before it left.
  let looked = Promise.resolve(false);
  const look = async (): Promise<boolean> => {
    if (closing || (await listener.isFound())) return false;
    await listener.withdraw();
    listener = await start();
    return true;
  };

  return {
    get address() {
      return listener.address;
    },
    clients: () => conversations.size,
    stayFound: () => (looked = looked.then(look, look)),
    async close(rest = () => Promise.resolve()) {
      if (closing) return;
      closing = true;
      await looked.catch(() => {});
      const { ended: stopped } = await listener.withdraw();
      const ended = rest();
      await Promise.all([ended, ...[...conversations].filter((one) => !one.waitsForEnd()).map((one) => one.finish())]);
      await Promise.all([...conversations].map((one) => one.finish()));
      await stopped;
    },
  };
}
