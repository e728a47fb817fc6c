import { createHash } from 'node:crypto';

/** SHA-256 of a text's bytes, in lower-case hex. */
export type Digest = string;

export function digest(bytes: Uint8Array): Digest {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The digest of the empty text; a NULL column counts as that. */
export const EMPTY_DIGEST: Digest = digest(new Uint8Array());
