import assert from 'node:assert/strict';
import { SyncError } from '../../src/core/errors.ts';
import type { Context } from '../../src/runner/context.ts';
import type { Report } from '../../src/runner/report.ts';
import { defaultRequest } from '../../src/runner/request.ts';
import { resolve } from '../../src/runner/resolve.ts';
import { run } from '../../src/runner/run.ts';
import { undo } from '../../src/runner/undo.ts';
import { type Books, createBooks } from './histories-books.ts';
import { Crash, withFault } from './histories-faults.ts';
import { type Edit, slugs, type Step } from './histories-steps.ts';
import { type Desk, type Dump, type Sides, slugOf, type World } from './histories-world.ts';

type Doing = Extract<Step, { do: 'run' | 'resolve' | 'undo' }>;

/** What happened, over all histories. */
export interface Tally {
  histories: number;
  steps: number;
  crashes: number;
  disturbed: number;
}

interface Seat {
  desk: Desk;
  books: Books;
  /** What can be taken back, with the sides as it left them. */
  batches: { txid: string; left: Sides }[];
}

const limits = { dryRun: false, lockTimeout: 30_000 };
const syncs: Doing = { do: 'run', tree: 0, direction: 'sync', source: 'cli', dryRun: false, fault: null };

/** Plays one history from the beginning, and checks after each step of the tool that nothing was lost or replaced unseen. */
export async function play(world: World, steps: readonly Step[], tally: Tally): Promise<void> {
  await world.reset();
  tally.histories += 1;
  const seats: Seat[] = [];
  const dumps: Dump[] = [];
  const seat = async (tree: number): Promise<Seat> => {
    const desk = await world.desk(tree);
    return (seats[tree] ??= { desk, books: createBooks(() => desk.context().state), batches: [] });
  };

  /** Whatever somebody does: the trees' books know which texts were given up knowingly. */
  const byPerson = async (work: () => Promise<void> | void): Promise<void> => {
    const before = await Promise.all(seats.map(({ desk }) => desk.look()));
    await work();
    for (const [index, { desk, books }] of seats.entries()) books.given(before[index]!, await desk.look());
  };

  const byTool = async (at: Seat, did: Doing): Promise<Report | null> => {
    const { desk, books } = at;
    if (did.do === 'undo' && at.batches.length === 0) return null;
    const before = await desk.look();
    const undone = did.do === 'undo' ? at.batches.at(-1)?.left : undefined;
    if (did.do === 'run' && did.dryRun) {
      const ended = await attempt(() => act(desk.context(), did, at.batches, desk));
      if (ended instanceof Error) checkRefusal(ended, did, await isOtherDatabase(world, desk), false);
      assert.deepEqual(await desk.look(), before, 'A dry run changed something');
      return null;
    }
    const others = await Promise.all(seats.map(async (one) => (one === at ? null : one.desk.look())));
    const refuses = await isOtherDatabase(world, desk);
    const wasUnfinished = (await desk.context().state.intent()) !== null;
    books.open(before);
    let isDisturbed = false;
    const faulty = withFault(desk.context(), did.fault, async (does) => {
      isDisturbed = true;
      const seen = await desk.look();
      if ('switch' in does) await desk.git(['switch', '--quiet', does.switch]);
      else await (does.side === 'file' ? desk : world.rows).edit(does);
      books.appeared(seen, await desk.look());
    });
    const ended = await attempt(() => act(faulty.context, did, at.batches, desk));
    const crashed = faulty.crashed();
    tally.crashes += crashed ? 1 : 0;
    tally.disturbed += isDisturbed ? 1 : 0;
    if (ended instanceof Error && !crashed) checkRefusal(ended, did, refuses, isDisturbed);
    if (!(ended instanceof Error)) assert.ok(!refuses, 'The database is another one than before, and was not refused');
    const now = await desk.look();
    if (ended instanceof Error && refuses && !isDisturbed && !crashed) {
      // A batch of files alone that was cut short is past the point of no return, and is finished whatever the database is.
      if (wasUnfinished) assert.deepEqual(now.row, before.row, 'A run that was refused changed rows');
      else assert.deepEqual(now, before, 'A run that was refused changed something');
    }
    // A merge that cannot be made ends nothing, as a dry run does.
    const isUnfinished = (await desk.context().state.intent()) !== null;
    await books.close(before, now, { isTold: did.do !== 'run', crashed: crashed || isUnfinished, disturbed: isDisturbed });
    for (const [index, seen] of others.entries()) if (seen) seats[index]!.books.given(seen, await seats[index]!.desk.look());
    if (refuses && !crashed) {
      await desk.newTarget();
      books.forget();
      at.batches.length = 0;
    }
    if (crashed || ended instanceof Error) return null;
    const mayLeave = did.do === 'resolve' && did.how === 'merge';
    assert.ok(!isUnfinished || mayLeave, 'A batch is unfinished though the run ended well');
    // After a crash a person may commit such a file, and git then brings it back in the middle of a run; the next one clears it away.
    const gitCame = isDisturbed && did.fault && typeof did.fault.does === 'object' && 'switch' in did.fault.does;
    if (did.do === 'run' && !gitCame) assert.deepEqual(now.own, [], 'A run that ended well left files of its own');
    if (undone && !isDisturbed && !wasUnfinished && books.isStill()) checkUndo(before, now, undone);
    if (ended?.txid && did.do !== 'undo') at.batches.push({ txid: ended.txid, left: now });
    return ended;
  };

  const first: Step[] = [
    ...slugs.slice(0, 3).map((slug): Step => ({ do: 'edit', tree: 0, side: 'file', slug, how: 'write', lines: 'all' })),
    syncs,
    { do: 'commit', tree: 0 },
  ];
  for (const did of [...first, ...steps]) {
    const at = await seat(did.tree);
    tally.steps += 1;
    if (did.do === 'run' || did.do === 'resolve' || did.do === 'undo') await byTool(at, did);
    else await byPerson(() => work(world, at, did, dumps, seats));
  }
  for (const at of seats) {
    if (!at) continue;
    tally.steps += 2;
    if ((await byTool(at, syncs)) === null) await byTool(at, syncs);
    await rest(at, byTool);
  }
}

/** After a sync a second one has nothing to do, and without conflicts both sides are the same. */
async function rest(at: Seat, byTool: (at: Seat, did: Doing) => Promise<Report | null>): Promise<void> {
  const settled = await at.desk.look();
  const report = await byTool(at, syncs);
  assert.deepEqual(report?.changes, [], 'A second sync has something to do');
  const now = await at.desk.look();
  assert.deepEqual(now, settled, 'A second sync changed something');
  if (report.conflicts.length + report.skipped.length > 0) return;
  const mapped = [...now.file].filter(([path]) => path.startsWith(at.desk.place() === 'plain' ? 'db/pages/' : 'db/texts/'));
  const files = new Map(mapped.map(([path, text]) => [slugOf(path), text]));
  assert.deepEqual(Object.fromEntries(files), Object.fromEntries(now.row), 'Without conflicts both sides are the same');
}

async function attempt(work: () => Promise<Report | null>): Promise<Report | null | Error> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SyncError || error instanceof Crash) return error;
    throw error;
  }
}

/** Why a command may stop here. */
function checkRefusal(error: Error, did: Doing, refuses: boolean, isDisturbed: boolean): void {
  const allowed = refuses
    ? ['WRONG_TARGET']
    : did.do === 'undo'
      ? ['NOT_FOUND', ...(isDisturbed ? ['UNSTABLE'] : [])]
      : did.do === 'resolve' && did.how === 'merge'
        ? ['NOT_FOUND']
        : [];
  const code = error instanceof SyncError ? error.code : error.name;
  assert.ok(allowed.includes(code), `The command "${did.do}" stopped: ${code}: ${error.message}`);
}

/** Taking a batch back touches an item only where both its sides are what the batch left. */
function checkUndo(before: Sides, now: Sides, left: Sides): void {
  const pair = ({ file, row }: Sides, slug: string): string =>
    JSON.stringify([[...file].filter(([path]) => slugOf(path) === slug), row.get(slug)]);
  for (const slug of slugs) {
    if (pair(before, slug) === pair(left, slug)) continue;
    assert.equal(pair(now, slug), pair(before, slug), `The undo touched the item "${slug}", which was edited since`);
  }
}

/** Whether the database lacks the last batch of this tree, or is not the one it was: computed from what the two say, not by the tool. */
async function isOtherDatabase(world: World, desk: Desk): Promise<boolean> {
  const { state } = desk.context();
  const meta = await state.meta();
  const { own, target } = await world.rows.txids(meta.tree ?? '');
  if (meta.targetId !== undefined && target !== meta.targetId) return true;
  const intent = await state.intent();
  const known = intent ? [meta.rowTxid, intent.txid, `${intent.txid}:void`, intent.previousTxid] : [meta.rowTxid];
  return meta.tree !== undefined && meta.rowTxid !== undefined && !known.includes(own as string);
}

async function act(context: Context, did: Doing, batches: Seat['batches'], desk: Desk): Promise<Report | null> {
  if (did.do === 'undo') {
    return undo(context, { txid: batches.pop()?.txid ?? null, ...limits });
  }
  if (did.do === 'resolve') {
    const paths = [...(await desk.look()).file.keys()].filter((path) => slugOf(path) === did.slug);
    return resolve(context, { paths: paths.length > 0 ? paths : [`db/pages/en/${did.slug}.html`], how: did.how, ...limits });
  }
  const { direction, source, dryRun } = did;
  return run(context, { ...defaultRequest, command: direction, direction, source, dryRun, allowMassChange: true });
}

/** What a person does with files, rows and git; what is impossible just does not happen. */
async function work(world: World, { desk, books }: Seat, did: Exclude<Step, Doing>, dumps: Dump[], seats: Seat[]): Promise<void> {
  const { rows } = world;
  if (did.do === 'edit') return (did.side === 'file' ? desk : rows).edit(did as Edit);
  if (did.do === 'commit') {
    await desk.git(['add', '--all']);
    return desk.git(['commit', '--quiet', '--allow-empty', '--message', 'Change']);
  }
  if (did.do === 'git') return desk.git(did.args);
  if (did.do === 'dump') return void dumps.push(await rows.dump());
  if (did.do === 'rename') {
    const sides: Sides = await desk.look();
    const names = did.side === 'row' ? [...sides.row.keys()] : [...sides.file.keys()].map(slugOf);
    if (!names.includes(did.slug) || names.includes(did.to)) return;
    for (const seat of seats) seat?.books.moved();
    return did.side === 'file' ? desk.rename(did.slug, did.to) : rows.rename(did.slug, did.to);
  }
  if (did.do === 'configure') {
    books.moved();
    return desk.configure(did.path);
  }
  const dump = dumps.at(-1);
  if (dump) await rows.restore(dump, did.what);
}
