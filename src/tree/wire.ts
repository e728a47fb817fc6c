import { type ErrorCode, SyncError } from '../core/errors.ts';
import { errnoOf } from './io-error.ts';

/** Data on its way between threads: all bytes of it in one buffer, which is handed over and not copied once more. */
export interface Wire {
  data: unknown;
  bytes: ArrayBuffer;
}

/** Stands for bytes; not a `Uint8Array`, since Deno walks over every property of a message, and of a typed array that is every byte. */
interface WireBytes {
  from: number;
  to: number;
}

/** Stands for an error. */
interface WireError {
  failed: ErrorCode | null;
  message: string;
  details: string[];
  /** The system's name of it. */
  errno: string | null;
}

/** Takes plain data, bytes and errors. */
export function toWire(value: unknown): Wire {
  const found: Uint8Array[] = [];
  let size = 0;
  const visit = (inner: unknown): unknown => {
    if (typeof inner !== 'object' || inner === null) return inner;
    if (Array.isArray(inner)) return inner.map(visit);
    if (inner instanceof Error) return errorToWire(inner);
    if (inner instanceof Uint8Array) {
      found.push(inner);
      size += inner.length;
      return { from: size - inner.length, to: size } satisfies WireBytes;
    }
    return Object.fromEntries(Object.entries(inner).map(([name, own]) => [name, visit(own)]));
  };
  const data = visit(value);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of found) {
    bytes.set(part, at);
    at += part.length;
  }
  return { data, bytes: bytes.buffer };
}

export function fromWire({ data, bytes }: Wire): unknown {
  const visit = (inner: unknown): unknown => {
    if (typeof inner !== 'object' || inner === null) return inner;
    if (Array.isArray(inner)) return inner.map(visit);
    if ('from' in inner) return bytesFromWire(inner as WireBytes, bytes);
    if ('failed' in inner) return errorFromWire(inner as WireError);
    return Object.fromEntries(Object.entries(inner).map(([name, own]) => [name, visit(own)]));
  };
  return visit(data);
}

function bytesFromWire({ from, to }: WireBytes, bytes: ArrayBuffer): Uint8Array {
  return new Uint8Array(bytes, from, to - from);
}

function errorToWire(error: Error): WireError {
  const { code, details } = error instanceof SyncError ? error : { code: null, details: [] };
  return { failed: code, message: error.message, details, errno: errnoOf(error) ?? null };
}

function errorFromWire({ failed, message, details, errno }: WireError): Error {
  const cause = errno === null ? undefined : Object.assign(new Error(errno), { code: errno });
  if (failed !== null) return new SyncError(failed, message, { details, cause });
  return Object.assign(new Error(message), errno === null ? {} : { code: errno });
}
