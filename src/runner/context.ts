import type { CheckedMapping } from '../config/check.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Repository } from '../git/repository.ts';
import type { State } from '../state/state.ts';
import type { Store } from '../store/store.ts';

/** Everything a batch works on: one working tree, one configuration, one database. */
export interface Context {
  repository: Repository;
  config: LoadedConfig;
  /** The mappings, checked against the live database. */
  mappings: CheckedMapping[];
  state: State;
  store: Store;
  /** Milliseconds since the epoch. */
  now: () => number;
  signal: AbortSignal;
  /** Told what goes on, for people who wait. */
  progress: (step: Progress) => void;
}

export interface Progress {
  step: 'scan' | 'stage' | 'rows' | 'files' | 'verify';
  done: number;
  total: number;
}
