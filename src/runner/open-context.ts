import { checkMappings } from '../config/check.ts';
import { loadConfig } from '../config/load.ts';
import { SyncError } from '../core/errors.ts';
import type { Environment } from '../git/environment.ts';
import { openRepository, type Repository } from '../git/repository.ts';
import { presets } from './presets.ts';
import { openState } from '../state/open.ts';
import { readUrl } from '../state/secrets.ts';
import type { State } from '../state/state.ts';
import { openStore } from '../store/open.ts';
import { createThreads } from '../tree/threads.ts';
import type { Context, Progress } from './context.ts';

export interface OpenOptions {
  cwd: string;
  /** What this process was given; only `SYNC_RUN_DATABASE_URL` and what git needs is read. */
  env: Environment;
  /** `read` never writes to the state folder. */
  mode: 'read' | 'write';
  signal: AbortSignal;
  now?: () => number;
  progress?: (step: Progress) => void;
}

export type OpenContext = Context & AsyncDisposable;

/**
 * Opens everything a run needs, in the order in which it can be refused: repository, configuration, trust, target, database.
 *
 * @throws {SyncError} `NOT_A_REPOSITORY`, `CONFIG`, `UNTRUSTED`, `NO_TARGET`, `UNREACHABLE`, `LOGIN`, `STATE`
 */
export async function openContext(options: OpenOptions): Promise<OpenContext> {
  const repository = await openRepository(options.cwd, options.env);
  const config = await loadConfig(repository.top, presets);
  const state = await openState(repository.statePath, { mode: options.mode });
  try {
    await requireTrust(state, config.digest);
    const url = await targetUrl(repository, options.env);
    const store = await openStore(url, repository.top, options.signal);
    try {
      const { mappings } = await checkMappings(config.mappings, store);
      const executor = createThreads();
      return {
        repository,
        config,
        mappings,
        state,
        store,
        executor,
        now: options.now ?? Date.now,
        signal: options.signal,
        progress: options.progress ?? (() => {}),
        [Symbol.asyncDispose]: async () => {
          await executor.close();
          await store.close();
          await state.close();
        },
      };
    } catch (error) {
      await store.close();
      throw error;
    }
  } catch (error) {
    await state.close();
    throw error;
  }
}

/**
 * A branch brings its own configuration, and git may have switched to it while this waited: another branch's files are not to be
 * understood by it.
 *
 * @throws {SyncError} `UNSTABLE` if it is not the one the context was opened with
 */
export async function requireSameConfig({ repository, config }: Pick<Context, 'repository' | 'config'>): Promise<void> {
  if ((await loadConfig(repository.top, presets)).digest === config.digest) return;
  throw new SyncError('UNSTABLE', 'sync-run.config.json changed meanwhile; nothing was changed', { hint: 'Run it again' });
}

/** The database URL: from the environment, else what `init` stored. */
export async function targetUrl(repository: Pick<Repository, 'statePath'>, env: Environment): Promise<string> {
  const url = env.SYNC_RUN_DATABASE_URL || (await readUrl(repository.statePath));
  if (url) return url;
  throw new SyncError('NO_TARGET', 'No database is known for this working tree', {
    hint: 'Set SYNC_RUN_DATABASE_URL, or run: npx sync-run init',
  });
}

/** A branch is other people's input: its configuration counts only once somebody here has looked at it. */
export async function requireTrust(state: Pick<State, 'trusted'>, digest: string): Promise<void> {
  if ((await state.trusted()).has(digest)) return;
  throw new SyncError('UNTRUSTED', 'sync-run.config.json is new or has changed, and has not been trusted in this working tree', {
    hint: 'Look at it and run: npx sync-run trust (a new working tree: npx sync-run init)',
  });
}
