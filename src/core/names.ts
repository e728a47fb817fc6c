import { isDeviceName } from './device-name.ts';
import { INVISIBLE } from './safe-path.ts';

/**
 * Characters that never stand in a file name as they are. U+FFFD is among them since that is how a name looks
 * that is not valid UTF-8.
 */
export const ENCODED = new RegExp(`[%/\\\\:*?"<>|\\u0000-\\u001F\\u007F-\\u009F\\uFFF9-\\uFFFD${INVISIBLE}]`, 'u');

/**
 * A key's value as (a part of) a file name that is harmless everywhere, reversibly: what could do harm is written as
 * its UTF-8 bytes in `%XX`.
 *
 * @param value well-formed text, not empty
 * @param next the fixed text that follows in the pattern, or `''`; it does not occur in the result followed by `next`
 *   other than at its end, so that the first occurrence ends the value
 */
export function encodeValue(value: string, next: string): string {
  const forced = positions(value, next);
  if (forced.size === 0 && !ENCODED.test(value)) return value;
  let encoded = '';
  let at = 0;
  for (const character of value) {
    encoded += forced.has(at) || ENCODED.test(character) ? percent(character) : character;
    at += character.length;
  }
  return encoded;
}

/** Where a character is encoded because of where it stands. */
function positions(value: string, next: string): Set<number> {
  const forced = new Set<number>();
  if (/^[ .~]/.test(value) || isDeviceName(value)) forced.add(0);
  if (/[ .]$/.test(value)) forced.add(value.length - 1);
  if (next !== '') {
    const text = value + next;
    for (let at = text.indexOf(next); at < value.length; at = text.indexOf(next, at + 1)) forced.add(at);
  }
  return forced;
}

function percent(character: string): string {
  let encoded = '';
  for (const byte of new TextEncoder().encode(character)) encoded += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return encoded;
}

/** Undoes `encodeValue`. A `%` that begins no valid byte sequence stands for itself; such a name does not encode to itself again. */
export function decodeValue(encoded: string): string {
  return encoded.replace(/(?:%[0-9A-Fa-f]{2})+/g, (run) => {
    const bytes = Uint8Array.from(run.slice(1).split('%'), (hex) => Number.parseInt(hex, 16));
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return run;
    }
  });
}
