import { randomBytes } from 'node:crypto';
import { lstat, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { errorCodes, SyncError } from '../core/errors.ts';
import type { ErrorCode } from '../core/errors.ts';
import type { Manifest } from '../core/manifest.ts';
import { createPeer } from './peer.ts';
import type { Peer } from './peer.ts';
import { ADDRESS_FILE, PROTOCOL, proofOf, sameProof } from './protocol.ts';
import type { ErrorMessage, Request, ServerMessage } from './protocol.ts';
import { folderId, folderProblem, isPipe } from './socket-path.ts';
import { readToken } from './token.ts';

export interface ClientOptions {
  stateFolder: string;
  /** Version of this package, for the runner to know. */
  version: string;
  /** Who is asking, for people: `sync-run export`, `git hook post-checkout`. */
  who: string;
  /** Milliseconds in which the runner must have answered; a batch may keep it busy for a moment. */
  deadline?: number;
}

/** The runner left, or the connection broke, before it answered: what was asked may be asked of the next one. */
export class RunnerLeft extends Error {
  override readonly name = 'RunnerLeft';
}

export interface RunnerConnection {
  readonly pid: number;
  readonly version: string;
  readonly protocol: number;
  /** Resolves with the report of the batch that covered the manifest. Taking it back by the signal works while it waits. */
  submit(manifest: Manifest, options?: SubmitRequest): Promise<unknown>;
  status(signal?: AbortSignal): Promise<unknown>;
  pause(why: string): Promise<unknown>;
  resume(): Promise<unknown>;
  /** Resolves once no live work is under way. Lasts until the returned function is called, or this process ends. */
  hold(why: string): Promise<() => void>;
  /** Tells past events, then new ones, until the signal is aborted. Resolves then, or when the connection ends. */
  subscribe(onEvent: (event: unknown) => void, signal: AbortSignal): Promise<void>;
  /** Asks the runner to finish what it has in hand and leave; resolves when it has. */
  stop(why: string): Promise<void>;
  readonly closed: Promise<void>;
  close(): void;
}

export interface SubmitRequest {
  options?: Readonly<Record<string, unknown>> | null;
  onProgress?(progress: unknown): void;
  /** Why the manifest has to wait. A hook takes that for its answer, closes, and the runner goes on with it. */
  onDeferred?(why: unknown): void;
  onAccepted?(): void;
  signal?: AbortSignal;
}

const MESSAGE_BYTES = 256 * 1024 * 1024;
const MESSAGE_MS = 10_000;

/**
 * Connects to the runner of a working tree; null if there is none.
 *
 * @throws {SyncError} `LOCKED` if one is there but does not answer in time, `IO` if what listens is not the runner
 */
export async function connectRunner(options: ClientOptions): Promise<RunnerConnection | null> {
  const { stateFolder, deadline = 2_000 } = options;
  const timeout = AbortSignal.timeout(deadline);
  const [address, token] = await Promise.all([addressOf(stateFolder), readToken(stateFolder)]);
  if (address === null || token === null) return null;
  const socket = connect({ path: address });
  return await handshake(socket, token, options, timeout);
}

/** Where the runner said it listens; null where none did, or that of the tree this one is a copy of. */
async function addressOf(stateFolder: string): Promise<string | null> {
  try {
    const [address = '', folder = ''] = (await readFile(join(stateFolder, ADDRESS_FILE), 'utf8')).split('\n');
    if (folder !== '' && folder !== (await folderId(stateFolder))) return null;
    if (isPipe(address)) return address;
    // What listens in a folder that others can enter may be theirs.
    const problem = folderProblem(await lstat(dirname(address)), process.getuid?.() ?? null);
    if (problem !== null) throw new SyncError('IO', `The folder of the runner's socket "${address}" is not private: ${problem}`);
    return address;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    if (cause instanceof SyncError) throw cause;
    throw new SyncError('IO', `Finding the runner's socket failed: ${(cause as Error).message}`, { cause });
  }
}

function handshake(socket: Socket, token: string, options: ClientOptions, timeout: AbortSignal): Promise<RunnerConnection | null> {
  const { promise, resolve, reject } = Promise.withResolvers<RunnerConnection | null>();
  const ours = randomBytes(16).toString('hex');
  let protocol = 0;
  let requests: Requests | null = null;
  let failure: Error | null = null;
  let nobody = false;

  const fail = (error: SyncError): void => {
    failure = error;
    peer.drop();
  };
  const late = (): void =>
    fail(new SyncError('LOCKED', 'The runner does not answer', { hint: 'See `sync-run status`; if it hangs, end its process' }));
  timeout.addEventListener('abort', late, { once: true });

  const peer: Peer = createPeer(socket, {
    maxBytes: 4096,
    messageMs: MESSAGE_MS,
    onMessage(message) {
      const told = message as ServerMessage;
      if (requests !== null) requests.told(told);
      else if (told.t === 'hello') {
        // Protocol and proof first: before that nothing that is said counts.
        if (!sameProof(told.proof, proofOf(token, 'runner', ours, told.nonce))) {
          fail(new SyncError('IO', "What listens on the runner's socket is not the runner of this working tree"));
          return;
        }
        protocol = told.protocol;
        peer.send({
          t: 'proof',
          proof: proofOf(token, 'client', ours, told.nonce),
          version: options.version,
          pid: process.pid,
          who: options.who,
        });
      } else if (told.t === 'welcome' && protocol > 0) {
        timeout.removeEventListener('abort', late);
        peer.trust(MESSAGE_BYTES);
        requests = createRequests(peer);
        resolve(connection(peer, requests, { pid: told.pid, version: told.version, protocol }));
      } else {
        fail(new SyncError('IO', "What listens on the runner's socket does not speak its language"));
      }
    },
    onClose() {
      timeout.removeEventListener('abort', late);
      requests?.over();
      if (failure !== null) reject(failure);
      // A runner that left while we said hello is as good as none.
      else resolve(null);
    },
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    nobody ||= error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET' || error.code === 'EPIPE';
    if (!nobody && failure === null) failure = new SyncError('IO', `Connecting to the runner failed: ${error.message}`, { cause: error });
  });
  socket.on('connect', () => peer.send({ t: 'hello', protocol: PROTOCOL, nonce: ours }));
  return promise;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
  onMessage(message: ServerMessage): void;
}

interface Requests {
  ask(
    request: Request,
    options?: { signal?: AbortSignal | undefined; onMessage?(message: ServerMessage): void },
  ): { id: number; answer: Promise<unknown> };
  told(message: ServerMessage): void;
  over(): void;
  readonly closed: Promise<void>;
}

function createRequests(peer: Peer): Requests {
  const waiting = new Map<number, Waiting>();
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  let ids = 0;
  let isOver = false;
  return {
    closed,
    ask(request, { signal, onMessage = () => {} } = {}) {
      const id = ++ids;
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      const cancel = (): void => {
        waiting.delete(id);
        peer.send({ t: 'cancel', id });
        reject(signal?.reason as Error);
      };
      const forget = (): void => signal?.removeEventListener('abort', cancel);
      promise.then(forget, forget);
      if (isOver) reject(new RunnerLeft('The runner has left'));
      else if (signal?.aborted === true) reject(signal.reason);
      else {
        signal?.addEventListener('abort', cancel, { once: true });
        waiting.set(id, { resolve, reject, onMessage });
        peer.send({ t: 'request', id, ...request });
      }
      return { id, answer: promise };
    },
    told(message) {
      if (!('id' in message)) return;
      const one = waiting.get(message.id);
      if (one === undefined) return;
      one.onMessage(message);
      if (message.t === 'result') one.resolve(message.value);
      else if (message.t === 'error') one.reject(errorOf(message.error));
      else if (message.t === 'leaving') one.reject(new RunnerLeft('The runner is leaving'));
      else return;
      waiting.delete(message.id);
    },
    over() {
      isOver = true;
      for (const one of waiting.values()) one.reject(new RunnerLeft('The runner has left'));
      waiting.clear();
      close();
    },
  };
}

function connection(
  peer: Peer,
  requests: Requests,
  { pid, version, protocol }: Pick<RunnerConnection, 'pid' | 'version' | 'protocol'>,
): RunnerConnection {
  return {
    pid,
    version,
    protocol,
    closed: requests.closed,
    close() {
      peer.end();
      peer.unref();
    },
    submit: (manifest, { options = null, onProgress, onDeferred, onAccepted, signal } = {}) =>
      requests.ask(
        { do: 'submit', manifest, options },
        {
          signal,
          onMessage(message) {
            if (message.t === 'progress') onProgress?.(message.value);
            if (message.t === 'deferred') onDeferred?.(message.value);
            if (message.t === 'accepted') onAccepted?.();
          },
        },
      ).answer,
    status: (signal) => requests.ask({ do: 'status' }, { signal }).answer,
    pause: (why) => requests.ask({ do: 'pause', why }).answer,
    resume: () => requests.ask({ do: 'resume' }).answer,
    async hold(why) {
      const { id, answer } = requests.ask({ do: 'hold', why });
      await answer;
      return () => peer.send({ t: 'cancel', id });
    },
    async subscribe(onEvent, signal) {
      try {
        await requests.ask({ do: 'subscribe' }, { signal, onMessage: (message) => message.t === 'event' && onEvent(message.value) }).answer;
      } catch (error) {
        if (!signal.aborted && !(error instanceof RunnerLeft)) throw error;
      }
    },
    async stop(why) {
      try {
        await requests.ask({ do: 'stop', why }).answer;
      } catch (error) {
        if (!(error instanceof RunnerLeft)) throw error;
      }
      await requests.closed;
    },
  };
}

function errorOf({ code, message, hint, details }: ErrorMessage): Error {
  const known: ErrorCode = Object.hasOwn(errorCodes, code) ? (code as ErrorCode) : 'INTERNAL';
  return new SyncError(known, message, { details, ...(hint === undefined ? {} : { hint }) });
}
