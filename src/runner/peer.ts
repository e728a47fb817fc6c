import type { Socket } from 'node:net';
import { createDecoder, encode } from './protocol.ts';
import type { ClientMessage, ServerMessage } from './protocol.ts';

export interface PeerOptions {
  /** The most bytes of one message before `trust`. */
  maxBytes: number;
  /** Milliseconds in which a message that has begun must be complete. */
  messageMs: number;
  onMessage(message: unknown): void;
  /** Called once, whatever ended the connection. */
  onClose(): void;
}

/** One end of a connection that speaks messages. Whoever sends what is none is dropped. */
export interface Peer {
  send(message: ClientMessage | ServerMessage): void;
  /** Lets messages be this long. */
  trust(maxBytes: number): void;
  /** Bytes that the other side has not taken yet. */
  backlog(): number;
  /** Sends what is left, then closes. */
  end(): void;
  drop(): void;
  /** Lets the process end before the connection has. */
  unref(): void;
}

export function createPeer(socket: Socket, { maxBytes, messageMs, onMessage, onClose }: PeerOptions): Peer {
  const decoder = createDecoder(maxBytes);
  let slow: NodeJS.Timeout | null = null;
  let closed = false;

  const watchSlow = (): void => {
    if (!decoder.partial() || closed) {
      if (slow !== null) clearTimeout(slow);
      slow = null;
      return;
    }
    // From the first byte on: bytes that drip in do not prolong it.
    slow ??= setTimeout(() => socket.destroy(), messageMs);
  };

  socket.on('data', (bytes: Buffer) => {
    let messages: unknown[];
    try {
      messages = decoder.push(bytes);
    } catch {
      // Not ours: nothing is owed to who sent it.
      socket.destroy();
      return;
    }
    if (messages.length > 0 && slow !== null) {
      clearTimeout(slow);
      slow = null;
    }
    for (const message of messages) if (!closed) onMessage(message);
    watchSlow();
  });
  // Every error is followed by `close`, which is what matters.
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
    watchSlow();
    onClose();
  });

  return {
    send(message) {
      if (!closed && !socket.destroyed && socket.writable) socket.write(encode(message));
    },
    trust: (bytes) => decoder.limit(bytes),
    backlog: () => socket.writableLength,
    end: () => void socket.end(),
    drop: () => void socket.destroy(),
    unref: () => void socket.unref(),
  };
}
