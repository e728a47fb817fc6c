import type { Value } from './sql.ts';

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of UTF-8 bytes, or null where they are not valid UTF-8. */
export function decodeStrict(bytes: Uint8Array): string | null {
  try {
    return strict.decode(bytes);
  } catch {
    return null;
  }
}

/**
 * The text of a cell that is used as a key. A byte that is not part of valid UTF-8 becomes a lone surrogate
 * (U+DC80 to U+DCFF, as Python's "surrogateescape"), so that two different cells never have the same key.
 */
export function decodeKey(bytes: Uint8Array): string {
  const text = decodeStrict(bytes);
  if (text !== null) return text;
  let result = '';
  for (let at = 0; at < bytes.length;) {
    const length = [1, 2, 3, 4].find((size) => at + size <= bytes.length && decodeStrict(bytes.subarray(at, at + size)) !== null);
    result += length ? strict.decode(bytes.subarray(at, at + length)) : String.fromCharCode(0xdc00 + (bytes[at] ?? 0));
    at += length ?? 1;
  }
  return result;
}

/** The bytes `decodeKey` made this text of. */
export function encodeKey(text: string): Uint8Array {
  if (text.isWellFormed()) return Buffer.from(text);
  const parts = Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code >= 0xdc80 && code <= 0xdcff ? Buffer.of(code - 0xdc00) : Buffer.from(character);
  });
  return Buffer.concat(parts);
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

export function fromHex(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex');
}

/** The bytes of a cell that was selected as bytes; NULL stays null. */
export function asBytes(value: Value | undefined): Uint8Array | null {
  if (value === null || value === undefined) return null;
  return value instanceof Uint8Array ? value : Buffer.from(String(value));
}
