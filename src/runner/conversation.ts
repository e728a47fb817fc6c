import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { SyncError } from '../core/errors.ts';
import type { Manifest } from '../core/manifest.ts';
import { createKeepAlive } from './keep-alive.ts';
import { parseManifest } from './parse-manifest.ts';
import { createPeer } from './peer.ts';
import type { ClientMessage, ErrorMessage, Request } from './protocol.ts';
import { PROTOCOL, proofOf, sameProof } from './protocol.ts';
import { QueueClosed } from './queue.ts';
import type { SubmitOptions, Submission } from './queue.ts';
import type { Options } from './pending.ts';

export interface Client {
  who: string;
  pid: number;
  version: string;
}

/** What a runner does for its clients. Whatever these throw goes to the client that asked. */
export interface Handlers {
  submit(manifest: Manifest, options: SubmitOptions & { options: Options }, client: Client): Submission<unknown>;
  status(): Promise<unknown>;
  pause(why: string, client: Client): Promise<unknown>;
  resume(client: Client): Promise<unknown>;
  /** A lease; `ready` resolves once no live work is under way. Released when the client says so or is gone. */
  hold(why: string, client: Client): { ready: Promise<void>; release(): void };
  /** Tells past and new events until the signal is aborted. */
  subscribe(listener: (event: unknown) => void, signal: AbortSignal): void;
  /** Begins to leave; the connection ends when the runner has finished. */
  stop(why: string, client: Client): void;
}

export interface Conversation {
  readonly closed: Promise<void>;
  /** Whether the client asked the runner to leave: it waits for the end of the connection. */
  waitsForEnd(): boolean;
  /** Ends leases and subscriptions, waits for requests under way to be answered, and closes. */
  finish(): Promise<void>;
}

export interface ConversationOptions {
  token: string;
  version: string;
  handlers: Handlers;
  handshakeMs: number;
  messageMs: number;
  aliveMs: number;
}

const STRANGER_BYTES = 4096;
const MESSAGE_BYTES = 256 * 1024 * 1024;
// Progress is left out for a client that does not read; one that lets events pile up is dropped.
const SLOW_BYTES = 256 * 1024;
const STUCK_BYTES = 16 * 1024 * 1024;

/** Talks to one client: handshake, then requests. Nothing is said of the tree before the client has proved itself. */
export function serveClient(
  socket: Socket,
  { token, version, handlers, handshakeMs, messageMs, aliveMs }: ConversationOptions,
): Conversation {
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  /** What goes on for the client, by request: aborted when it says so or is gone. */
  const running = new Map<number, AbortController>();
  const submissions = new Set<number>();
  const answering = new Set<Promise<void>>();
  const nonce = randomBytes(16).toString('hex');
  let clientNonce: string | null = null;
  let client: Client | null = null;
  let finishing = false;
  let askedToStop = false;
  const tooLate = setTimeout(() => peer.drop(), handshakeMs);

  const peer = createPeer(socket, {
    maxBytes: STRANGER_BYTES,
    messageMs,
    onMessage(message) {
      const told = message as Partial<ClientMessage> & Record<string, unknown>;
      if (client !== null) converse(client, told);
      else if (told.t === 'hello' && clientNonce === null && typeof told.nonce === 'string') {
        clientNonce = told.nonce;
        peer.send({ t: 'hello', protocol: PROTOCOL, nonce, proof: proofOf(token, 'runner', clientNonce, nonce) });
      } else if (told.t === 'proof' && clientNonce !== null && sameProof(told.proof, proofOf(token, 'client', clientNonce, nonce))) {
        clearTimeout(tooLate);
        client = { who: String(told.who ?? ''), pid: Number(told.pid ?? 0), version: String(told.version ?? '') };
        peer.trust(MESSAGE_BYTES);
        peer.send({ t: 'welcome', version, pid: process.pid });
      } else peer.drop();
    },
    onClose() {
      clearTimeout(tooLate);
      for (const stop of running.values()) stop.abort(new Error('The client is gone'));
      running.clear();
      close();
    },
  });

  const converse = (from: Client, told: Record<string, unknown>): void => {
    const { t, id } = told;
    if (typeof id !== 'number') {
      peer.drop();
      return;
    }
    if (t === 'cancel') {
      running.get(id)?.abort(new Error('The client took it back'));
      return;
    }
    if (t !== 'request' || running.has(id)) {
      peer.drop();
      return;
    }
    if (finishing) {
      peer.send({ t: 'leaving', id });
      return;
    }
    const stop = new AbortController();
    running.set(id, stop);
    if (told.do === 'submit') submissions.add(id);
    const answered = answer(from, id, told as unknown as Request, stop.signal)
      .then(
        (value) => peer.send({ t: 'result', id, value: value ?? null }),
        (error: unknown) => peer.send(error instanceof QueueClosed ? { t: 'leaving', id } : { t: 'error', id, error: errorMessage(error) }),
      )
      .finally(() => answering.delete(answered));
    answering.add(answered);
    // A lease lasts beyond its answer; everything else is over with it.
    if (told.do !== 'hold') void answered.then(() => running.delete(id) && submissions.delete(id));
  };

  const answer = async (from: Client, id: number, request: Request, signal: AbortSignal): Promise<unknown> => {
    switch (request.do) {
      case 'submit': {
        const progress = createKeepAlive(aliveMs, (value) => {
          if (peer.backlog() < SLOW_BYTES) peer.send({ t: 'progress', id, value });
        });
        const submission = handlers.submit(
          parseManifest(request.manifest),
          {
            options: request.options ?? null,
            signal,
            onProgress: progress.tell,
            onDeferred(value) {
              progress.stop();
              peer.send({ t: 'deferred', id, value });
            },
          },
          from,
        );
        void submission.accepted.then(() => peer.send({ t: 'accepted', id }));
        try {
          return await submission.report;
        } finally {
          progress.stop();
        }
      }
      case 'status':
        return await handlers.status();
      case 'pause':
        return await handlers.pause(String(request.why), from);
      case 'resume':
        return await handlers.resume(from);
      case 'hold': {
        const lease = handlers.hold(String(request.why), from);
        const release = (): void => {
          lease.release();
          running.delete(id);
        };
        if (signal.aborted) release();
        else signal.addEventListener('abort', release, { once: true });
        await lease.ready;
        return null;
      }
      case 'subscribe': {
        const over = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
        handlers.subscribe((value) => {
          if (peer.backlog() > STUCK_BYTES) peer.drop();
          else peer.send({ t: 'event', id, value });
        }, signal);
        await over;
        return null;
      }
      case 'stop':
        askedToStop = true;
        handlers.stop(String(request.why), from);
        return null;
      default:
        throw new SyncError('USAGE', `The runner does not know "${String((request as { do: unknown }).do)}"`, {
          hint: 'Runner and command are of different versions: stop the runner and start it anew',
        });
    }
  };

  return {
    closed,
    waitsForEnd: () => askedToStop,
    async finish() {
      finishing = true;
      if (client === null) peer.drop();
      // Leases and subscriptions have no end of their own. Submissions have: the queue answers or refuses them.
      for (const [id, stop] of running) if (!submissions.has(id)) stop.abort(new Error('The runner leaves'));
      await Promise.race([Promise.allSettled(answering), closed]);
      peer.end();
      // A client that is stopped would never close its end.
      const stuck = setTimeout(() => peer.drop(), messageMs);
      await closed;
      clearTimeout(stuck);
    },
  };
}

function errorMessage(error: unknown): ErrorMessage {
  if (error instanceof SyncError) {
    return { code: error.code, message: error.message, details: error.details, ...(error.hint === undefined ? {} : { hint: error.hint }) };
  }
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error), details: [] };
}
