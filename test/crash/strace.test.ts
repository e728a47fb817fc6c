import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { full, randomFrom, sample, seed, survived } from '../prove/cases.ts';
import { aimAt, type Site, sitesOf } from '../prove/sites.ts';
import { type Call, noStrace, traced } from '../prove/tracing.ts';
import { counted, crashRound, createPagesProject, type Direction, type Pages } from './pages.ts';
import { onlyRecover, runHere, type RunOptions, type Said, stateOf } from './rig.ts';

/**
 * Calls after which the next process finds something else, and those that wait for the disk. The kill comes before the call, so that a
 * kill at each of them meets all there is in between. To close a file changes nothing: its locks go with the process anyway.
 */
const CALLS = [
  ...'openat write writev pwrite64 pwritev ftruncate fallocate fchmod fsync fdatasync'.split(' '),
  ...'rename renameat renameat2 link linkat unlink unlinkat mkdir mkdirat rmdir'.split(' '),
];

/** Of the calls of one name in one place; the hundreds of writes of a database differ little. */
const MOST = full ? 32 : 6;

/** Only a call that made a file changed something, and none that failed. */
const changes = ({ name, error, args }: Call): boolean => error === null && (name !== 'openat' || args.includes('O_CREAT'));

async function pointsOf(project: Pages, options: RunOptions): Promise<{ points: Site[]; of: number }> {
  const sites = (await sitesOf(project, options, CALLS)).filter(({ made }) => changes(made));
  assert.ok(sites.length > 40, `${sites.length} calls`);
  const kinds = Map.groupBy(sites, ({ on, call }) => `${on} ${call}`);
  // Of two threads with as many calls only the first to come would be met.
  for (const [kind, of] of kinds) assert.equal(new Set(of.map(({ made }) => made.thread)).size, 1, `one thread makes the calls ${kind}`);
  const points = [...kinds.values()].flatMap((kind) =>
    kind.length <= MOST ? kind : sample(kind.length, MOST, MOST).map((n) => kind[n - 1]!),
  );
  return { points, of: sites.length };
}

/** Runs until the thread is about to make the call. */
async function killedAt(project: Pages, { on, call, n }: Site, options: RunOptions): Promise<Said | null> {
  const aim = aimAt(project, on);
  const args = ['-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${n}`];
  const { said } = await traced(project, { ...options, killAt: 0 }, (threads) => [...aim(threads), ...args]);
  return said;
}

const named = ({ on, call, n }: Site): string => `call ${n} of ${call} on ${on}`;

/** @param picked counted from 1 */
async function atEach<T>(
  points: readonly Site[],
  picked: readonly number[],
  kill: (point: Site, index: number) => Promise<T>,
): Promise<T[]> {
  const ends: T[] = [];
  for (const [index, at] of picked.entries()) {
    const point = points[at - 1]!;
    ends.push(
      await kill(point, index).catch((cause: unknown) => {
        throw new Error(`Killed at ${named(point)} (seed ${seed})`, { cause });
      }),
    );
  }
  return ends;
}

async function skips(t: TestContext): Promise<boolean> {
  const reason = await noStrace();
  if (reason) t.skip(reason);
  return reason !== null;
}

it('a run killed at calls of the system leaves all old or all new', async (t) => {
  if (await skips(t)) return;
  const project = await createPagesProject(t, 'sqlite', { folders: true });
  const direction = 'sync';
  await project.change(direction);
  const { points, of } = await pointsOf(project, { request: { direction } });
  const hits = await atEach(points, sample(points.length, 12), (point, index) =>
    crashRound(project, { direction, killAt: 0, run: (options) => killedAt(project, point, options), quiet: index % 5 === 0 }),
  );
  survived(t, { ...counted(hits), of });
  if (full) assert.ok(hits.includes('inside') && hits.includes('after'), 'kills hit every part of a run');
});

/** A recovery that is killed where it comes to a call. */
interface Recovery {
  direction: Direction;
  /** How the run is killed that leaves the batch. */
  leave: (project: Pages, options: RunOptions) => Promise<Said | null>;
  /** Which of so many calls are met. */
  picked: (calls: number) => number[];
  /** Whether the recovery after it is killed as well. */
  twice?: boolean;
}

async function recoveriesKilled(t: TestContext, { direction, leave, picked, twice = false }: Recovery): Promise<void> {
  const project = await createPagesProject(t, 'sqlite', { folders: true });
  await project.change(direction);
  assert.equal(await leave(project, { request: { direction } }), null, 'the run was killed');
  const { intent } = await stateOf(project);
  assert.notEqual(intent, null, 'it left a batch');
  const { points, of } = await pointsOf(project, { request: onlyRecover });
  await runHere(project, { direction });
  const random = randomFrom(seed);
  let [cut, again] = [0, 0];
  const hits = await atEach(points, picked(points.length), (point) => {
    let runs = 0;
    const kill = async (options: RunOptions): Promise<Said | null> => {
      runs += 1;
      if (runs === 1) return leave(project, options);
      const isOpen = (await stateOf(project)).intent !== null;
      const at = runs === 2 ? point : points[Math.floor(random() * points.length)]!;
      const said = await killedAt(project, at, options);
      if (said) assert.equal(said.exit, 0, `a recovery ends well: ${said.message}`);
      else if (isOpen && runs === 2) cut += 1;
      else if (isOpen) again += 1;
      return said;
    };
    return crashRound(project, { direction, killAt: 0, recoveries: twice ? [0, 0] : [0], run: kill });
  });
  assert.ok(
    hits.every((hit) => hit === 'inside'),
    'there was a batch to recover each time',
  );
  assert.ok(cut > 0, 'recoveries were cut short');
  const detail = `${cut} of ${of} calls of a recovery${twice ? `, ${again} of the one after it` : ''}`;
  survived(t, { cases: cut + again, detail });
}

it('a recovery of an export killed at calls of the system is ended by the next one', async (t) => {
  if (await skips(t)) return;
  // Before its first link nothing has its name any more, and nothing has its new one.
  const leave = (project: Pages, options: RunOptions) => killedAt(project, { on: 'files', call: 'link', n: 1 }, options);
  await recoveriesKilled(t, { direction: 'export', leave, picked: (calls) => sample(calls, 6) });
});

// With the write of its COMMIT done, and with a part of it: the recovery finishes the batch, or takes it back.
for (const [how, leftAt] of [
  ['committed', { on: 'database', call: 'fsync', n: 3 }],
  ['not committed', { on: 'database', call: 'pwrite64', n: 11 }],
] as const) {
  it(`a recovery of an import that was ${how}, killed at calls of the system, is ended by the next one, which is killed as well`, async (t) => {
    if (await skips(t)) return;
    const leave = (project: Pages, options: RunOptions) => killedAt(project, leftAt, options);
    await recoveriesKilled(t, { direction: 'import', leave, picked: (calls) => sample(calls, 2, 15), twice: true });
  });
}
