import type { Direction, Source } from './batch.ts';

export type Change = 'same' | 'added' | 'changed' | 'deleted' | 'renamed';

export interface ManifestEntry {
  /** From the repository root, `/`-separated. */
  path: string;
  change: Exclude<Change, 'same'>;
  /** The path before, for `renamed`. */
  from?: string;
}

/** A batch of paths that changed, with what changed and who says so. It narrows where to look; it decides nothing. */
export interface Manifest {
  id: string;
  source: Source;
  /** Name of the git hook that sent it. */
  hook?: string;
  direction: Direction;
  oldHead: string | null;
  newHead: string | null;
  /** Null means: look everywhere. */
  entries: ManifestEntry[] | null;
}
