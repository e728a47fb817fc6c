import { digest, type Digest } from '../core/digest.ts';
import type { BaseEntry } from '../core/model.ts';
import { canonical } from '../core/newlines.ts';
import type { Context } from './context.ts';

/**
 * Reads what both sides agreed on, in the newlines the mappings have today. A text that was agreed on while `newlines` was `exact` is known
 * by its bytes; under `lf` it would equal neither side any more.
 *
 * @param texts gets the texts that are known by another digest now
 */
export async function readBase(
  { state, mappings }: Pick<Context, 'state' | 'mappings'>,
  texts: Map<Digest, Uint8Array>,
): Promise<BaseEntry[]> {
  const base = await state.base();
  const fingerprints = new Map(mappings.flatMap(({ mapping }) => (mapping.newlines === 'lf' ? [[mapping.name, mapping.fingerprint]] : [])));
  const isOutdated = (entry: BaseEntry): boolean => (fingerprints.get(entry.mapping) ?? entry.fingerprint) !== entry.fingerprint;
  const outdated = base.filter(isOutdated).map(({ text }) => text);
  if (outdated.length === 0) return base;
  const names = new Map<Digest, Digest>();
  for (const [name, bytes] of await state.blobs(outdated)) {
    const text = canonical(bytes, 'lf');
    if (text === bytes) continue;
    names.set(name, digest(text));
    texts.set(digest(text), text);
  }
  return base.map((entry) => (isOutdated(entry) ? { ...entry, text: names.get(entry.text) ?? entry.text } : entry));
}

/** The text both sides agreed on; null where there is none, or the history has dropped it. */
export async function baseText(
  { state }: Pick<Context, 'state'>,
  texts: ReadonlyMap<Digest, Uint8Array>,
  base: BaseEntry | null,
): Promise<Uint8Array | null> {
  return base && (texts.get(base.text) ?? (await state.blob(base.text)));
}
