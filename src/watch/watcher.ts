import { relative, sep } from 'node:path';
import { watch } from 'chokidar';
import type { FSWatcher } from 'chokidar';
import type { Clock } from './clock.ts';

/** That something may have changed. What is true is decided by reading. */
export interface Hint {
  /** From `folder`, `/`-separated. */
  path: string;
  kind: 'changed' | 'vanished' | 'emptied';
}

export interface TreeWatchOptions {
  /** The folder whose paths are told relative to it: the repository root. */
  folder: string;
  /** What is watched below it, absolute; it need not exist yet. */
  root: string;
  /** Names of files that never matter, such as editors' temporary ones. Asked with the last part of a path. */
  ignored(name: string): boolean;
  clock: Clock;
  /** Looks at the files every 300 ms instead of being told by the kernel; for file systems that tell nothing. */
  polling?: boolean;
  onHint(hint: Hint): void;
  /** Events may have been lost: look everywhere. */
  onEverything(reason: string): void;
  /** Something a person should know; said once. */
  onWarning(message: string): void;
}

export interface TreeWatcher {
  mode(): 'native' | 'polling';
  close(): Promise<void>;
}

const POLL_MS = 300;
// Half of the usual fs.inotify.max_queued_events. No library tells when that queue overflows, so a burst counts as one.
const BURST_EVENTS = 8_192;
const BURST_MS = 1_000;

/**
 * Watches a tree and tells hints; the only user of the watcher library. Resolves once the first scan is done.
 *
 * Any error of the watcher becomes "look everywhere". Where the kernel has no more watches or descriptors to give,
 * it goes over to polling and says so.
 */
export async function watchTree(options: TreeWatchOptions): Promise<TreeWatcher> {
  const { folder, root, ignored, clock, onHint, onEverything, onWarning } = options;
  let mode: 'native' | 'polling' = options.polling === true ? 'polling' : 'native';
  let watcher: FSWatcher;
  let switching: Promise<void> | null = null;
  let closed = false;
  let burst = { since: 0, count: 0 };

  // The first are the files a batch stages beside its targets.
  const passing = (name: string): boolean => name.startsWith('.sync-run-') || ignored(name);
  const tell = (kind: Hint['kind'], path: string): void => {
    const parts = relative(folder, path).split(sep);
    if (!passing(parts.at(-1) ?? '')) onHint({ path: parts.join('/'), kind });
  };
  const count = (): void => {
    const now = clock.now();
    if (now - burst.since > BURST_MS) burst = { since: now, count: 0 };
    burst.count += 1;
    if (burst.count === BURST_EVENTS) onEverything('a burst of events');
  };

  const start = async (): Promise<void> => {
    const started = watch(root, {
      backend: mode === 'polling' ? 'polling' : backend(),
      pollingInterval: POLL_MS,
      pollingBinaryInterval: POLL_MS,
      // Both would hide or delay what the quiet time has to see.
      atomic: false,
      awaitWriteFinish: false,
      followSymlinks: false,
      ignoreInitial: true,
      ignored: (path, stats) => skip(path, stats?.isFile() === true),
    });
    watcher = started;
    started.on('raw', count);
    started.on('add', (path, stats) => tell(stats?.size === 0 ? 'emptied' : 'changed', path));
    started.on('change', (path, stats) => tell(stats?.size === 0 ? 'emptied' : 'changed', path));
    started.on('unlink', (path) => tell('vanished', path));
    const ready = new Promise<void>((resolve) => started.once('ready', resolve));
    const failed = new Promise<void>((resolve) => started.on('error', (error) => fail(error as Error, resolve)));
    await Promise.race([ready, failed]);
  };
  const skip = (path: string, isFile: boolean): boolean => {
    const parts = relative(folder, path).split(sep);
    return parts.includes('.git') || (isFile && passing(parts.at(-1) ?? ''));
  };
  const fail = (error: NodeJS.ErrnoException, gaveUp: () => void): void => {
    if (closed || switching !== null) return;
    if (mode === 'native' && isExhausted(error)) {
      mode = 'polling';
      onWarning(
        `The system has no more file watches (${error.code ?? 'error'}); looking at all files every ${POLL_MS} ms instead, ` +
          `which is slower and costs more. Raise fs.inotify.max_user_watches or the limit of open files, then start again`,
      );
      switching = watcher
        .close()
        .then(() => (closed ? undefined : start()))
        .catch((reason: unknown) => onWarning(`Cannot watch "${root}" at all: ${String(reason)}`))
        .then(() => onEverything('went over to polling'))
        .finally(() => {
          switching = null;
          gaveUp();
        });
      return;
    }
    onEverything(`watcher error: ${error.message}`);
  };

  await start();
  return {
    mode: () => mode,
    async close() {
      closed = true;
      await switching;
      await watcher.close();
    },
  };
}

/** Deno's own per-directory watching blocks its event loop for seconds on large trees. */
function backend(): 'auto' | 'native-recursive' {
  return 'Deno' in globalThis ? 'native-recursive' : 'auto';
}

// ENOSPC from inotify_add_watch is the limit of watches, not a full disk; Deno says it in words only.
function isExhausted(error: NodeJS.ErrnoException): boolean {
  return (
    error.code === 'ENOSPC' ||
    error.code === 'EMFILE' ||
    error.code === 'ENFILE' ||
    /\b(ENOSPC|EMFILE|OS file watch limit|os error (28|24))\b/i.test(error.message)
  );
}
