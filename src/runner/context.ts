import type { CheckedMapping } from '../config/check.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Repository } from '../git/repository.ts';
import type { State } from '../state/state.ts';
import type { Store } from '../store/store.ts';
import type { Executor } from '../tree/executor.ts';

/** Everything a batch works on: one working tree, one configuration, one database. */
export interface Context {
  repository: Repository;
  config: LoadedConfig;
  /** The mappings, checked against the live database. */
  mappings: CheckedMapping[];
  state: State;
  store: Store;
  /** Who works on many files; without one the calling thread. */
  executor?: Executor;
  /** Milliseconds since the epoch. */
  now: () => number;
  signal: AbortSignal;
  /** Whether this process holds the one-runner lock already, so that nothing here takes it. */
  holdsLock?: boolean;
  /** The runner's gate as this work may pass it; without a runner a look at git's locks has to do. */
  gate?: {
    /** @throws {GateClosed} unless it is open; the batch is put back then and tried again when it opens */
    requireOpen(): Promise<void>;
    /** Answers whether git did nothing since. */
    mark(): () => Promise<boolean>;
  };
  /** Told what goes on, for people who wait. */
  progress: (step: Progress) => void;
}

export interface Progress {
  step: 'scan' | 'stage' | 'rows' | 'files' | 'verify';
  done: number;
  total: number;
}
