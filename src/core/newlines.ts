import { digest, type Digest } from './digest.ts';

export type NewlineRule = 'exact' | 'lf';

const CR = 13;
const LF = 10;

/** The text as it is compared and kept in files: with `lf`, CRLF becomes LF if every newline is CRLF and no CR stands alone. */
export function canonical(bytes: Uint8Array, rule: NewlineRule): Uint8Array {
  return rule === 'lf' && allCrlf(bytes) ? withoutCr(bytes) : bytes;
}

/** The digest of the text in its canonical form under `lf`. */
export function lfDigest(bytes: Uint8Array): Digest {
  return digest(canonical(bytes, 'lf'));
}

/**
 * The text as it goes into a row: with CRLF if that is what all newlines of the row's old text were.
 * `canonical` of the result is the text again; so one that has a CR of its own stays as it is.
 */
export function toRowNewlines(canonicalBytes: Uint8Array, oldRowBytes: Uint8Array | null): Uint8Array {
  if (oldRowBytes === null || !allCrlf(oldRowBytes) || canonicalBytes.includes(CR)) return canonicalBytes;
  const newlines = count(canonicalBytes, LF);
  if (newlines === 0) return canonicalBytes;
  const out = new Uint8Array(canonicalBytes.length + newlines);
  let to = 0;
  for (const byte of canonicalBytes) {
    if (byte === LF) out[to++] = CR;
    out[to++] = byte;
  }
  return out;
}

/** Whether there are newlines, all of them CRLF, and no CR besides. */
function allCrlf(bytes: Uint8Array): boolean {
  let seen = false;
  let from = 0;
  for (;;) {
    const cr = bytes.indexOf(CR, from);
    const lf = bytes.indexOf(LF, from);
    if (cr < 0 && lf < 0) return seen;
    if (lf !== cr + 1 || cr < 0) return false;
    seen = true;
    from = lf + 1;
  }
}

function withoutCr(bytes: Uint8Array): Uint8Array {
  return bytes.filter((byte) => byte !== CR);
}

function count(bytes: Uint8Array, wanted: number): number {
  let found = 0;
  for (const byte of bytes) if (byte === wanted) found++;
  return found;
}
