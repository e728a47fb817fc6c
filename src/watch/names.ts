import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import type { Clock } from './clock.ts';

export interface NamesOptions {
  /** An existing directory; only its own entries are seen. */
  folder: string;
  /** Which entries matter. */
  names: ReadonlySet<string>;
  clock: Clock;
  /** Looks once a second instead of being told by the kernel. */
  polling?: boolean;
  /** Called for every event of such an entry. It is a hint: look what is true. */
  onChange(name: string): void;
  /** Called once if the folder can no longer be watched; from then on `onChange('')` comes every second. */
  onWarning(message: string): void;
}

export interface Watching {
  close(): void;
}

const POLL_MS = 1_000;

/**
 * Watches named entries of one directory. Raw events on purpose: a lock file that lives for a millisecond
 * still tells that something happened, which a watcher that checks its events would swallow.
 */
export function watchNames({ folder, names, clock, polling = false, onChange, onWarning }: NamesOptions): Watching {
  let watcher: FSWatcher | null = null;
  let cancel = (): void => {};
  let closed = false;

  const poll = (): void => {
    cancel = clock.after(POLL_MS, () => {
      poll();
      onChange('');
    });
  };
  const degrade = (error: Error): void => {
    if (closed || watcher === null) return;
    watcher.close();
    watcher = null;
    poll();
    onWarning(`Cannot watch "${folder}" (${error.message}); looking once a second instead`);
    onChange('');
  };

  const start = (): void => {
    watcher = watch(folder, (_event, name) => {
      // Without a name anything may have happened.
      if (name === null) onChange('');
      else if (names.has(name)) onChange(name);
    });
    watcher.on('error', degrade);
  };
  try {
    if (polling) poll();
    else start();
  } catch (error) {
    poll();
    onWarning(`Cannot watch "${folder}" (${error instanceof Error ? error.message : String(error)}); looking once a second instead`);
  }

  return {
    close() {
      closed = true;
      cancel();
      watcher?.close();
    },
  };
}
