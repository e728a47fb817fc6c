import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createProject } from '../helpers/project.ts';
import { crashRound, type Direction, type Hit, stepsOf, withPages } from '../crash/pages.ts';
import { onlyRecover, runHere, type RunOptions, type Said, stateOf } from '../crash/rig.ts';
import { full, sample, seed, survived } from './cases.ts';
import { createLoopDisk, cuts, fileSystems, noLoopDisks } from './loop-disk.ts';
import { createOnDisk, type Journal, type Part } from './on-disk.ts';
import { type Cell, powerCut, pulledOut, TOLD } from './power-cut.ts';
import { assertSound, emptyFolders } from './sound.ts';

/** Where a run is cut, and where the runs after it are that end its batch: before a step, or once it has told of its success. */
interface Point {
  direction: Direction;
  killAt: number;
  recoveries?: readonly number[];
  /** Whether the run goes on without its disk. */
  pulled?: boolean;
}

const known = new Map<Direction, Promise<string[]>>();

/** The steps of a run; they are the same on every disk. */
function namesOf(t: TestContext, direction: Direction): Promise<string[]> {
  const names = known.get(direction) ?? countSteps(t, direction);
  known.set(direction, names);
  return names;
}

async function countSteps(t: TestContext, direction: Direction): Promise<string[]> {
  return stepsOf(await withPages(await createProject(t, { engine: 'sqlite' }), { folders: true }), direction);
}

/** The first step after the batch is on record: what it did to the files is told to nobody yet, and what it kept is still there. */
function afterRecord(names: readonly string[]): number {
  return 2 + names.lastIndexOf('postMessage');
}

/** The first step after all is staged, which is what a batch does before it is decided. */
function staged(names: readonly string[]): number {
  const written = names.lastIndexOf('fchmod');
  return 1 + names.findIndex((name, n) => n > written && name !== 'fsync' && name !== 'open' && name !== 'mkdir');
}

/** Steps at which a batch is decided, and not yet done. */
function inside(names: readonly string[]): number[] {
  const first = names.findIndex((name) => name === 'link' || (name === 'rename' && names.indexOf(name) > names.indexOf('fsync')));
  return Array.from({ length: afterRecord(names) - first - 1 }, (_, i) => first + 1 + i);
}

/** A few of so many steps; in the full run one of every `stride`, from one on that the seed picks. */
function some(last: number, wanted: number, stride: number): number[] {
  if (!full) return sample(last, wanted);
  return Array.from({ length: last }, (_, n) => n + 1).filter((n) => (n + seed) % stride === 0);
}

const points = (direction: Direction, steps: readonly number[], more: Partial<Point> = {}): Point[] =>
  steps.map((killAt) => ({ direction, killAt, ...more }));

function without(all: readonly string[], others: readonly string[]): string[] {
  return all.filter((one) => !others.includes(one));
}

async function cutAll({ t, project, disk, how }: Cell, all: readonly Point[]): Promise<void> {
  const hits: Hit[] = [];
  for (const { direction, killAt, recoveries = [], pulled = false } of all) {
    const kill = (pulled ? pulledOut : powerCut)(project, disk, how);
    const run = async (options: RunOptions): Promise<Said | null> => {
      const empty = await emptyFolders(project);
      const said = await kill(options);
      await assertSound(project);
      if (said && !pulled) assert.deepEqual(without(await emptyFolders(project), empty), [], 'folders that a run left empty are gone');
      return said;
    };
    const round = crashRound(project, { direction, killAt, recoveries, run, quiet: killAt % 8 === 0 });
    hits.push(
      await round.catch((cause: unknown) => {
        const then = recoveries.length > 0 ? `, recoveries before ${recoveries.join(', ')}` : '';
        throw new Error(`${pulled ? 'Pulled out' : 'Cut'} before step ${killAt} of ${direction}${then} (seed ${seed})`, { cause });
      }),
    );
  }
  assert.equal(await disk.check(), null, 'the file system is sound');
  const found = [...Map.groupBy(hits, (hit) => hit)].map(([hit, { length }]) => `${length} ${hit}`);
  survived(t, { cases: all.reduce((sum, { recoveries = [] }) => sum + 1 + recoveries.length, 0), detail: found.join(', ') });
}

/** An undo that is cut has happened as a whole or not at all; once told of, it has happened. */
async function undoRound({ project, disk, how }: Cell, killAt: number): Promise<void> {
  const { old, changed } = await project.change('sync');
  assert.equal((await runHere(project, { direction: 'sync' })).exit, 0, 'the run to take back ends well');
  const said = await powerCut(project, disk, how)({ request: { direction: 'undo' }, killAt });
  await assertSound(project);
  if (said) {
    assert.equal(said.exit, 0, `${said.code}: ${said.message}`);
    assert.deepEqual(await project.world(), old, 'an undo that ended well did everything');
  }
  const recovered = await runHere(project, onlyRecover);
  assert.equal(recovered.exit, 0, `${recovered.code}: ${recovered.message}`);
  const world = await project.world();
  if (JSON.stringify(world) !== JSON.stringify(old)) assert.deepEqual(world, changed, 'all is undone or nothing is');
  assert.equal((await stateOf(project)).intent, null, 'no batch is unfinished after recovery');
  assert.equal((await runHere(project, { direction: 'sync' })).exit, 0, 'the next run ends well');
  assert.deepEqual(await project.world(), changed, 'a typed run carries it over again');
}

/** What a quick run tries of each kind of disk besides cuts of everything. */
const quick: Record<string, readonly string[]> = {
  'ext4 drop': ['recovery', 'files', 'one folder', 'state', 'WAL', 'DELETE'],
  'ext4 flush': ['undo'],
  'xfs drop': [],
  'xfs flush': ['files'],
};

for (const kind of fileSystems) {
  for (const how of cuts) {
    const cell = async (t: TestContext, part: Part, options: { journal?: Journal; folders?: boolean } = {}): Promise<Cell> => {
      const made = await createOnDisk(t, part, (image, folder) => createLoopDisk(kind, image, folder), options);
      return { t, how, ...made };
    };
    const cut = (which: string, name: string, work: (t: TestContext) => Promise<void>): void => {
      if (!full && which !== 'all' && !quick[`${kind} ${how}`]?.includes(which)) return;
      it(name, async (t) => {
        const reason = await noLoopDisks();
        if (reason) t.skip(reason);
        else await work(t);
      });
    };
    describe(`a power cut on ${kind}, its journal ${how === 'drop' ? 'lost' : 'flushed'},`, { concurrency: 2 }, () => {
      cut('all', 'of everything leaves all old or all new, and what was told', async (t) => {
        const made = await cell(t, 'everything');
        const all: Point[] = [];
        for (const direction of ['export', 'import', 'sync'] as const) {
          const { length } = await namesOf(t, direction);
          // A sync does what both others do.
          all.push(...points(direction, direction === 'sync' ? some(length, 3, 1) : some(length, 1, 3)));
        }
        const { length } = await namesOf(t, 'sync');
        all.push(...points('sync', [TOLD]), ...points('sync', some(length, 1, 8), { pulled: true }));
        await cutAll(made, all);
      });

      cut('recovery', 'of everything, again while it recovers, leaves the same', async (t) => {
        const made = await cell(t, 'everything');
        const steps = inside(await namesOf(t, 'sync'));
        const recoveries = [[TOLD], ...some(60, 1, 3).map((n) => [n]), ...some(45, 1, 4).map((n) => [n, n + 7])];
        await cutAll(
          made,
          recoveries.map((then, n) => ({ direction: 'sync', killAt: steps[(3 * n + seed) % steps.length]!, recoveries: then })),
        );
      });

      cut('files', 'of the files leaves them all old or all new, and what was told', async (t) => {
        const made = await cell(t, 'files');
        const steps = await namesOf(t, 'export');
        const staging = steps.indexOf('fsync');
        await cutAll(made, [
          ...points('export', [TOLD, afterRecord(steps), ...some(steps.length - staging, 1, 2).map((n) => n + staging)]),
          // Of what is staged only the names may be there.
          ...points('export', [2 + steps.lastIndexOf('fchmod')]),
          // A batch that is taken back, and one that is finished: both are over once the recovery has told so.
          ...points('sync', [staged(await namesOf(t, 'sync'))], { recoveries: [TOLD] }),
          ...points('export', [inside(steps).at(-3)!], { recoveries: [TOLD] }),
          ...points('export', some(steps.length, 1, 10), { pulled: true }),
        ]);
      });

      cut('one folder', 'of files in one folder leaves nothing beside what was told', async (t) => {
        const made = await cell(t, 'files', { folders: false });
        const batch = staged(await namesOf(t, 'sync'));
        await cutAll(made, [...points('export', [TOLD, TOLD]), ...points('sync', [batch], { recoveries: [TOLD] })]);
      });

      cut('state', 'of the state leaves no batch half known', async (t) => {
        const made = await cell(t, 'state');
        const steps = await namesOf(t, 'sync');
        const all = [TOLD, inside(steps).at(-1)!, ...some(steps.length, 1, 6)];
        await cutAll(made, [...points('sync', all), ...points('sync', some(steps.length, 1, 10), { pulled: true })]);
      });

      for (const journal of ['WAL', 'DELETE'] as const) {
        cut(journal, `of a database ${journal === 'WAL' ? 'with' : 'without'} a write-ahead log leaves what was told`, async (t) => {
          const made = await cell(t, 'database', { journal });
          const { length } = await namesOf(t, 'import');
          await cutAll(made, points('import', [TOLD, ...some(length, 1, 4)]));
        });
      }

      cut('undo', 'leaves an undo done or not done', async (t) => {
        const made = await cell(t, 'everything');
        const all = [TOLD, ...some(60, 2, 6)];
        for (const killAt of all) {
          await undoRound(made, killAt).catch((cause: unknown) => {
            throw new Error(`Cut before step ${killAt} of an undo (seed ${seed})`, { cause });
          });
        }
        assert.equal(await made.disk.check(), null, 'the file system is sound');
        survived(t, { cases: all.length });
      });
    });
  }
}
