import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RunOptions } from '../crash/rig.ts';
import type { Project } from '../helpers/project.ts';
import { type Call, parseTrace, type Threads, traced } from './tracing.ts';

const BY_PATH = ['state', 'database', 'lock', 'note'] as const;

/**
 * Where a run makes a call: in the one thread for files, on the files of one of its databases, or on the note of who holds the lock.
 * State and rows have a thread each that begins after the tracer has come, so that it can be told by its files only.
 */
export type Where = 'files' | (typeof BY_PATH)[number];

/** A call that can be met: the nth of its name there. */
export interface Site {
  on: Where;
  call: string;
  n: number;
}

/** A site as a run came to it. */
export interface Met extends Site {
  made: Call;
}

function pathsOf(project: Project, on: Exclude<Where, 'files'>): string[] {
  const folder = join(project.repo.path, '.git/sync-run');
  const database = project.repo.beside('forum.db');
  const names: Record<typeof on, string[]> = {
    // SQLite makes the name of a new log durable by its folder.
    state: [folder, ...['state.db', 'state.db-wal', 'state.db-shm'].map((name) => join(folder, name))],
    database: [dirname(database), database, `${database}-wal`, `${database}-shm`],
    lock: ['lock.db', 'lock.db-journal'].map((name) => join(folder, name)),
    note: ['lock.json', 'lock.json.tmp'].map((name) => join(folder, name)),
  };
  return names[on];
}

/** What strace is told, so that it counts the calls of the site's name only where the site is. */
export function aimAt(project: Project, on: Where): (threads: Threads) => string[] {
  return ({ pool }) => (on === 'files' ? ['-p', String(pool)] : pathsOf(project, on).flatMap((path) => ['-P', path]));
}

/** All sites of a run that nobody disturbs, of calls with these names; fails where it makes one on a file of the project that is at none. */
export async function sitesOf(project: Project, run: RunOptions, names: readonly string[]): Promise<Met[]> {
  const log = project.repo.beside('calls.log');
  const args = ['-y', '-e', `trace=${names.join(',')},clone,clone3`, '-o', log];
  const { said, threads } = await traced(project, run, () => args);
  assert.equal(said?.exit, 0, said?.message);
  const counts = new Map<string, number>();
  const count = (where: string): number => {
    counts.set(where, (counts.get(where) ?? 0) + 1);
    return counts.get(where) ?? 0;
  };
  const sites: Met[] = [];
  for (const made of parseTrace(await readFile(log, 'utf8'), threads.all)) {
    const { name: call, thread } = made;
    if (!names.includes(call)) continue;
    const on = BY_PATH.find((some) => isAbout(made, pathsOf(project, some)));
    // strace counts all calls of that thread, also those for the note.
    const inPool = thread === threads.pool ? count(`files ${call}`) : 0;
    const n = on ? count(`${thread} ${on} ${call}`) : inPool;
    if (!isOnDisk(project, made)) continue;
    assert.ok(on || inPool > 0, `a call of no known thread: ${call} ${made.strings.join(' ')} ${made.path} in ${thread}`);
    // What wakes the main thread is such a call too, and how often that is needed differs.
    if (on || call !== 'write') sites.push({ on: on ?? 'files', call, n, made });
  }
  return sites;
}

/** What is read or written may look like a path, so that only a call without a descriptor is judged by what it was given. */
const filesOf = ({ path, strings }: Call): string[] => (path === null ? strings : [path]);

function isAbout(call: Call, paths: readonly string[]): boolean {
  return filesOf(call).some((path) => paths.includes(path));
}

/** Not on a pipe, or on what wakes a thread, nor on what Node.js keeps for itself. */
function isOnDisk({ repo }: Project, call: Call): boolean {
  const area = dirname(repo.path);
  return filesOf(call).some((path) => path === area || path.startsWith(`${area}/`) || path.startsWith('/proc/self/fd/'));
}
