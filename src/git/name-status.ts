import type { ManifestEntry } from '../core/manifest.ts';

/** Reads what `git diff --name-status -z` prints. A path listed twice (an unmerged one) counts once. */
export function parseNameStatus(output: string): ManifestEntry[] {
  const entries = new Map<string, ManifestEntry>();
  const tokens = output.split('\0').values();
  for (const status of tokens) {
    if (status === '') break;
    const first = tokens.next().value ?? '';
    const kind = status[0];
    const path = kind === 'R' || kind === 'C' ? (tokens.next().value ?? '') : first;
    if (kind === 'R') entries.set(path, { path, change: 'renamed', from: first });
    else entries.set(path, { path, change: kind === 'A' || kind === 'C' ? 'added' : kind === 'D' ? 'deleted' : 'changed' });
  }
  return [...entries.values()];
}
