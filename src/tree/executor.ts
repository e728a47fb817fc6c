import type { Disk } from './disk.ts';
import { DIRECTORIES } from './pool.ts';
import { tasks, type ResultOf, type ShareOf, type TaskName } from './tasks.ts';

/** Who carries out the work on many files. */
export interface Executor {
  /** For the few calls that stand between the tasks. */
  readonly disk: Disk;
  /** Where to work on this many files. */
  lanes(files: number): Lanes;
}

export interface Lanes {
  /** How many shares to hand out at a time. */
  readonly count: number;
  /** Carries out a task for files of one directory. */
  run<N extends TaskName>(name: N, share: ShareOf<N>): Promise<ResultOf<N>>;
}

/** Works in the calling thread. */
export function inline(disk: Disk): Executor {
  const lanes: Lanes = { count: DIRECTORIES, run: (name, share) => tasks[name](disk, share) };
  return { disk, lanes: () => lanes };
}

/** How many files a share has at most; each costs a message and, where names change, an fsync of the directory. */
export const SHARE = 1024;

/** Parts of a group that are small enough for one share. */
export function* shares<T>(groups: Iterable<[relative: string, members: T[]]>): Generator<[relative: string, members: T[]]> {
  for (const [relative, members] of groups) {
    for (let at = 0; at < members.length; at += SHARE) yield [relative, members.slice(at, at + SHARE)];
  }
}
