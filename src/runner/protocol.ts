import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Manifest } from '../core/manifest.ts';

/**
 * What runner and clients say to each other. The handshake and `stop` never change, so that any version can ask any
 * other to leave; `PROTOCOL` goes up with anything else.
 *
 * This file and what it imports stay free of packages: hooks load it at every commit.
 */
export const PROTOCOL = 1;

/** Files in the state folder: where the runner listens, and what proves that one may read the state folder. */
export const ADDRESS_FILE = 'socket';
export const TOKEN_FILE = 'token';

export type Handshake =
  | { t: 'hello'; protocol: number; nonce: string; proof?: string }
  | { t: 'proof'; proof: string; version: string; pid: number; who: string }
  | { t: 'welcome'; version: string; pid: number };

export type Request =
  | { do: 'submit'; manifest: Manifest; options: Readonly<Record<string, unknown>> | null }
  | { do: 'status' }
  | { do: 'pause'; why: string }
  | { do: 'resume' }
  | { do: 'hold'; why: string }
  | { do: 'subscribe' }
  | { do: 'stop'; why: string };

export type ClientMessage = Handshake | ({ t: 'request'; id: number } & Request) | { t: 'cancel'; id: number };

export interface ErrorMessage {
  code: string;
  message: string;
  hint?: string;
  details: string[];
}

export type ServerMessage =
  | Handshake
  | { t: 'accepted' | 'leaving'; id: number }
  | { t: 'progress' | 'deferred' | 'event' | 'result'; id: number; value: unknown }
  | { t: 'error'; id: number; error: ErrorMessage };

/** What a side of the conversation answers to the nonces of both, knowing the token. */
export function proofOf(token: string, side: 'client' | 'runner', clientNonce: string, runnerNonce: string): string {
  return createHmac('sha256', token).update(`sync-run ${side} ${clientNonce} ${runnerNonce}`).digest('hex');
}

export function sameProof(one: unknown, other: string): boolean {
  if (typeof one !== 'string') return false;
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Bytes of one frame; a message may take several. */
export const FRAME_BYTES = 1024 * 1024;
const HEADER_BYTES = 4;
// The top bit of the header says that the message goes on in the next frame.
const MORE = 0x8000_0000;

/** A message as frames: four bytes with length and "more follows", then JSON. */
export function encode(message: ClientMessage | ServerMessage): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < body.length; at += FRAME_BYTES) {
    const frame = body.subarray(at, at + FRAME_BYTES);
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32BE((frame.length | (at + FRAME_BYTES < body.length ? MORE : 0)) >>> 0);
    parts.push(header, frame);
  }
  return Buffer.concat(parts);
}

export interface Decoder {
  /** Takes bytes; returns the messages that are complete. @throws {Error} on anything that is no frame of ours */
  push(bytes: Uint8Array): unknown[];
  /** Whether a message has begun and is not complete. */
  partial(): boolean;
  /** The most bytes one message may have from now on. */
  limit(bytes: number): void;
}

export function createDecoder(maxBytes: number): Decoder {
  let max = maxBytes;
  let chunks: Buffer[] = [];
  let have = 0;
  let message: Buffer[] = [];
  let size = 0;

  const take = (count: number): Buffer => {
    const all = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
    chunks = all.length > count ? [all.subarray(count)] : [];
    have -= count;
    return all.subarray(0, count);
  };
  /** Length and "more" of the frame that has begun. */
  let header: { length: number; more: boolean } | null = null;

  return {
    push(bytes) {
      chunks.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      have += bytes.byteLength;
      const messages: unknown[] = [];
      for (;;) {
        if (header === null) {
          if (have < HEADER_BYTES) return messages;
          const word = take(HEADER_BYTES).readUInt32BE();
          header = { length: (word & ~MORE) >>> 0, more: (word & MORE) !== 0 };
          if (header.length > FRAME_BYTES) throw new Error(`A frame has ${header.length} bytes`);
          if (size + header.length > max) throw new Error(`A message has more than ${max} bytes`);
          if (header.more && header.length === 0) throw new Error('A frame is empty');
        }
        if (have < header.length) return messages;
        message.push(take(header.length));
        size += header.length;
        const { more } = header;
        header = null;
        if (more) continue;
        const value: unknown = JSON.parse(Buffer.concat(message).toString());
        message = [];
        size = 0;
        if (typeof value !== 'object' || value === null) throw new Error('A message is no object');
        messages.push(value);
      }
    },
    partial: () => have > 0 || size > 0 || header !== null,
    limit(bytes) {
      max = bytes;
    },
  };
}
