import { randomUUID } from 'node:crypto';
import type { Manifest } from '../core/manifest.ts';
import { watchClock } from '../watch/clock-jump.ts';
import type { Clock } from '../watch/clock.ts';
import { watchGitDir } from '../watch/git-watch.ts';
import { watchNames } from '../watch/names.ts';
import { observe } from '../watch/observe.ts';
import type { Settled } from '../watch/settle.ts';
import { startSettler } from '../watch/settler.ts';
import { watchTree } from '../watch/watcher.ts';
import type { Events } from './events.ts';
import type { Gate } from './gate.ts';
import { livePass } from './pass.ts';
import { PAUSE_FILE } from './pause.ts';
import type { Queue } from './queue.ts';

export interface LiveOptions {
  /** The repository root, without symbolic links, and the folder of the mapped files below it. */
  folder: string;
  root: string;
  /** This working tree's own git dir. */
  gitDir: string;
  stateFolder: string;
  /** Names of files that never matter. */
  ignored(name: string): boolean;
  clock: Clock;
  gate: Gate;
  queue: Queue<unknown>;
  events: Events;
  /** Milliseconds; see `createSettle`. */
  quiet?: number;
  /** Milliseconds between two looks everywhere. */
  every?: number;
  polling?: boolean;
}

export interface Live {
  /** Paths in motion right now: a batch that looks everywhere leaves them alone; they follow by themselves. */
  unsettled(): string[];
  /** Looks everywhere, now or as soon as the gate lets it. */
  catchUp(): void;
  close(): Promise<void>;
}

/** Above this many paths at once some events may have been lost, and a look everywhere costs no more. */
const MANY = 50;

/**
 * Brings what changes in the tree to the queue: by events, which are hints, and by looking everywhere at the start,
 * whenever the gate opens, after any trouble of the watcher, after a clock jump and every minute.
 */
export async function startLive(options: LiveOptions): Promise<Live> {
  const { folder, root, gitDir, stateFolder, ignored, clock, gate, queue, events, every = 60_000 } = options;
  const warn = (message: string): void => events.emit({ type: 'warning', message });

  const submit = (paths: string[] | null): void => {
    const manifest: Manifest = {
      id: randomUUID(),
      source: 'watcher',
      direction: 'import',
      oldHead: null,
      newHead: null,
      entries: paths?.map((path) => ({ path, change: 'changed' })) ?? null,
    };
    // The event stream tells what becomes of it.
    queue.submit(manifest);
  };
  let open = false;
  const settler = startSettler({
    clock,
    ...(options.quiet === undefined ? {} : { quiet: options.quiet }),
    read: (paths) => observe(folder, paths),
    // What comes to rest while the gate is closed is found by the look everywhere when it opens.
    onSettled: ({ paths, everything }: Settled) => {
      if (open) submit(everything === null && paths.length <= MANY ? paths : null);
    },
  });

  let cancel = (): void => {};
  const regularly = (): void => {
    cancel = clock.after(every, () => {
      settler.everything('it is time');
      regularly();
    });
  };

  // The git dir first: what git does while the tree is scanned must not be missed.
  const git = watchGitDir({ gitDir, clock, onChange: () => gate.hint(), onWarning: warn });
  const paused = watchNames({
    folder: stateFolder,
    names: new Set([PAUSE_FILE]),
    clock,
    // Deno opens and closes each file it tells of, which would free every lock this process holds on it (fcntl(2)): the one on `lock.db`,
    // and those of `state.db`.
    polling: 'Deno' in globalThis,
    onChange: () => void gate.look(livePass),
    onWarning: warn,
  });
  open = (await gate.look(livePass)).length === 0;
  if (!open) events.emit({ type: 'gate-closed', reasons: gate.reasons() });
  const unlisten = gate.onChange((reasons) => {
    const opens = reasons.length === 0;
    if (opens === open) return;
    open = opens;
    if (opens) {
      events.emit({ type: 'gate-open' });
      // Once the files git wrote have come to rest, so that they are one batch.
      settler.everything('the gate opened');
    } else events.emit({ type: 'gate-closed', reasons });
  });
  const clockWatch = watchClock({ clock, onJump: () => settler.everything('the clock jumped') });
  const tree = await watchTree({
    folder,
    root,
    ignored,
    clock,
    ...(options.polling === undefined ? {} : { polling: options.polling }),
    onHint: ({ path }) => settler.hint(path),
    onEverything: (reason) => settler.everything(reason),
    onWarning: warn,
  });
  settler.everything('start');
  regularly();

  return {
    unsettled: () => settler.unsettled(),
    catchUp: () => settler.everything('asked for'),
    async close() {
      cancel();
      unlisten();
      git.close();
      paused.close();
      clockWatch.close();
      settler.close();
      await tree.close();
    },
  };
}
