import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ErrorCode, errorCodes } from '../../src/core/errors.ts';
import { needsPerson } from '../../src/core/skips.ts';
import type { Report } from '../../src/runner/report.ts';
import { createPagesProject, type Direction, type Pages, type World } from '../crash/pages.ts';
import { assertTxid, digestsOf, onlyRecover, runHere, type RunOptions, type Said, stateOf } from '../crash/rig.ts';
import { full, randomFrom, seed, survived } from './cases.ts';
import { aimAt, type Met, type Site, sitesOf } from './sites.ts';
import { noStrace, traced } from './tracing.ts';

const ERRORS = ['EIO', 'ENOSPC', 'EROFS', 'EDQUOT', 'EMFILE', 'EACCES'] as const;
const CALLS = 'openat read pread64 write pwrite64 fsync fdatasync ftruncate fchmod getdents64 rename link unlink mkdir rmdir'.split(' ');

interface Fault extends Site {
  error: (typeof ERRORS)[number];
  forEver: boolean;
}

/**
 * A run with a fault; what it says has to be true. Null where the fault met no file, but what Node tells itself by: a thread that reads files
 * can be the one that takes a signal, and with that fault nobody learns that git has ended.
 */
async function faulty(
  project: Pages,
  { on, call, n, error, forEver }: Fault,
  options: RunOptions,
): Promise<{ said: Said; hit: boolean } | null> {
  const aim = aimAt(project, on);
  const inject = `inject=${call}:error=${error}:when=${n}${forEver ? '+' : ''}`;
  const args = ['-y', '-e', `trace=${call}`, '-e', inject];
  let [hit, missed] = [false, false];
  const { said } = await traced(
    project,
    options,
    (threads) => [...aim(threads), ...args],
    (told, child) => {
      hit = told.includes('(INJECTED)');
      missed = /<(?:pipe|socket|anon_inode):[^\n]*\(INJECTED\)/.test(told);
      if (missed) child.kill();
    },
  );
  if (missed) return null;
  assert.ok(said, 'the run came to its end');
  return { said, hit };
}

/** Where each path and its text stood, on one side. */
type Texts = Record<string, string>;

const UNFINISHED = /not (?:be )?finished|nobody knows|not known|may carry it out/;
const OWN = /\/\.sync-run-[0-9a-f]{8}-\d+\.(?:new|old)$/;

/** What a command begins with, and where it leads. */
interface Way {
  request: RunOptions['request'];
  old: World;
  changed: World;
  /** What both sides agreed on, before and after it. */
  bases: { old: Texts; changed: Texts };
  /** Whether it only ends a batch, which may be half done when it begins. */
  isRecovery: boolean;
  /** Carries on from the old world, or the new one, to where both sides agree. */
  end(isOld: boolean): Promise<void>;
}

type Begin = (project: Pages) => Promise<Way>;

async function endsWell(project: Pages, request: RunOptions['request'], what: string): Promise<void> {
  const { exit, code, message } = await runHere(project, request);
  assert.equal(exit, 0, `${what}: ${code}: ${message}`);
}

const running =
  (direction: Direction): Begin =>
  async (project) => {
    const { base } = await stateOf(project);
    const { old, changed } = await project.change(direction);
    const end = async (): Promise<void> => {
      await endsWell(project, { direction }, 'the next run');
      assert.deepEqual(await project.world(), changed, 'the next run ends it');
      assert.deepEqual((await stateOf(project)).base, digestsOf(changed.files), 'the base is what the next run left');
    };
    return { request: { direction }, old, changed, bases: { old: base, changed: digestsOf(changed.files) }, isRecovery: false, end };
  };

/** @param killAt the site where the run is killed that leaves a batch */
const recovering =
  (direction: Direction, { on, call, n }: Site): Begin =>
  async (project) => {
    const way = await running(direction)(project);
    const aim = aimAt(project, on);
    const args = ['-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${n}`];
    const { said } = await traced(project, { request: way.request }, (threads) => [...aim(threads), ...args]);
    assert.equal(said, null, 'the run was killed');
    assert.notEqual((await stateOf(project)).intent, null, 'it left a batch');
    return { ...way, request: onlyRecover, isRecovery: true };
  };

const undoing =
  (direction: Direction): Begin =>
  async (project) => {
    const way = await running(direction)(project);
    await endsWell(project, { direction }, 'the run that is taken back');
    const end = async (isOld: boolean): Promise<void> => {
      if (isOld) await endsWell(project, { direction: 'undo' }, 'the next undo');
      await way.end(true);
    };
    const bases = { old: way.bases.changed, changed: way.bases.old };
    return { request: { direction: 'undo' }, old: way.changed, changed: way.old, bases, isRecovery: false, end };
  };

/**
 * A command with a fault, and one without: what the first says is true, each text is the old or the new one, and the second ends it
 * and leaves nothing behind.
 *
 * @returns how the command with the fault ended; null if the fault never came about
 */
async function faultyRound(project: Pages, begin: Begin, fault: Fault): Promise<string | null> {
  const { request, old, changed, bases, isRecovery, end } = await begin(project);
  const ran = await faulty(project, fault, { request });
  const exit = ran && (await assertTrue(project, ran.said, { old, changed, isRecovery }));
  const { intent } = await stateOf(project);

  await endsWell(project, onlyRecover, 'recovery');
  const after = await project.world();
  const isOld = isSame(after, old);
  const state = await stateOf(project);
  if (exit !== 1) {
    if (!isOld) assert.deepEqual(after, changed, 'all is old or all is new after recovery, and nothing else is there');
    assert.deepEqual(state.base, isOld ? bases.old : bases.changed, 'the base is what both sides agree on');
  }
  assert.equal(state.intent, null, 'no batch is unfinished after recovery');
  await end(isOld);
  await assertTxid(project);
  return ran?.hit ? `exit ${exit}${intent ? ', to be finished' : ''}` : null;
}

/** What a command said, held against what there is; its exit code. */
async function assertTrue(
  project: Pages,
  said: Said,
  { old, changed, isRecovery }: Pick<Way, 'old' | 'changed' | 'isRecovery'>,
): Promise<number> {
  const told = `exit ${said.exit}, ${said.code}: ${said.message}`;
  assert.notEqual(said.code, 'INTERNAL', `an error of the system is no defect of sync-run: ${told}`);
  assert.equal(
    said.exit,
    said.code === null ? said.exit && 1 : errorCodes[said.code as ErrorCode]?.exit,
    `ends as the contract says: ${told}`,
  );
  assert.match(said.message, /^$|^[A-Z"][^\n]*$/, `an error is told in one line: ${told}`);

  // Nobody edits anything here, so that to call an item a conflict would not be true.
  const left = (said.report as Pick<Report, 'skipped'> | null)?.skipped.filter(needsPerson) ?? [];
  const exit = left.length > 0 ? 1 : said.exit;
  const [world, { intent }] = [await project.world(), await stateOf(project)];
  const files = Object.fromEntries(Object.entries(world.files).filter(([path]) => !OWN.test(path)));
  const clean: World = { files, rows: world.rows };
  for (const side of ['files', 'rows'] as const) assertEach(clean[side], old[side], changed[side], side);
  if (isRecovery) {
    if (exit > 1) return exit;
    assert.equal(intent, null, `a recovery that ended well has ended the batch: ${told}`);
    if (!isSame(clean, old)) assert.deepEqual(clean, changed, `a recovery that ended well left all old or all new: ${told}`);
    return exit;
  }
  if (exit === 0) assert.deepEqual(clean, changed, 'exit 0 says that all was done');
  if (exit === 0 && !isSame(world, changed)) assert.match(String(said.report?.notices), /clearing up/, 'what is left is told');
  // An item that moves is named by one of its paths.
  const stem = (path: string): string => path.replace(/\d+\.html$/, '');
  const named = (path: string): boolean => left.some((one) => stem(path) === stem(one.path) || path.startsWith(`${one.path}/`));
  if (exit === 1) {
    const undone = paths(world.files, changed.files).filter(
      (path) => world.files[path] !== changed.files[path] || world.rows[path] !== changed.rows[path],
    );
    assert.deepEqual(
      undone.filter((path) => !named(path)),
      [],
      `exit 1 names what was not done: ${JSON.stringify(left)}`,
    );
  }
  // Whether a commit is there whose fsync failed, nobody can say.
  const isOpen = /not be finished/.test(said.message) && isSame(clean, changed);
  if (exit > 1 && intent === null && !isOpen) assert.deepEqual(world, old, `what failed changed nothing: ${told}`);
  if (intent !== null && exit > 0) assert.match(said.message, UNFINISHED, `an unfinished batch is told: ${told}`);
  return exit;
}

function paths(...sides: readonly Texts[]): string[] {
  return [...new Set(sides.flatMap((side) => Object.keys(side)))];
}

function assertEach(found: Texts, old: Texts, changed: Texts, side: string): void {
  const strange = paths(found, old, changed).filter((path) => found[path] !== old[path] && found[path] !== changed[path]);
  assert.deepEqual(strange, [], `every text of the ${side} is the old or the new one`);
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const picked = <T>(all: readonly T[], wanted: number): T[] => {
  const random = randomFrom(seed);
  const stride = all.length / Math.min(wanted, all.length);
  return Array.from({ length: Math.min(wanted, all.length) }, (_, index) => all[Math.floor((index + random()) * stride)]!);
};

/** One of the sites, as a fault that is always tried; of a database those in its log, which what it is about goes to first. */
const some = (sites: readonly Met[], on: Site['on'], call: string, which: number): Fault => {
  const site = sites.filter((one) => one.on === on && one.call === call && (on === 'files' || one.made.path?.endsWith('-wal'))).at(which);
  assert.ok(site, `the run makes a call ${call} on ${on}`);
  return { on, call, n: site.n, error: 'EIO', forEver: false };
};

interface Cell {
  begin: Begin;
  /** The first that writes what it is about, and the last call of each kind, where most is done already. */
  always: (sites: readonly Met[]) => Fault[];
  inFull: number;
  quickly: number;
}

const cells: Record<string, Cell> = {
  'during an export': {
    begin: running('export'),
    always: (sites) => {
      const last = (['fsync', 'rename', 'link', 'unlink'] as const).map((call) => some(sites, 'files', call, -1));
      // One that takes a file away comes before the one that puts one in place, and is not noticed by looking at that.
      const record: Fault = { ...some(sites, 'state', 'fsync', 2), forEver: true };
      return [some(sites, 'files', 'pwrite64', 0), some(sites, 'files', 'rename', -2), ...last, record];
    },
    inFull: 110,
    quickly: 5,
  },
  'during an import': {
    begin: running('import'),
    always: (sites) => [some(sites, 'database', 'pwrite64', 0), some(sites, 'state', 'fsync', 0)],
    inFull: 110,
    quickly: 5,
  },
  'during the recovery of an export': {
    begin: recovering('export', { on: 'files', call: 'link', n: 1 }),
    always: (sites) => [some(sites, 'files', 'rename', -1)],
    inFull: 10,
    quickly: 1,
  },
  'during the recovery of an import': {
    begin: recovering('import', { on: 'database', call: 'fsync', n: 3 }),
    always: (sites) => [some(sites, 'database', 'fsync', 0)],
    inFull: 10,
    quickly: 1,
  },
  'during the undo of an export': {
    begin: undoing('export'),
    always: (sites) => [some(sites, 'files', 'rename', -1)],
    inFull: 10,
    quickly: 1,
  },
  'during the undo of an import': {
    begin: undoing('import'),
    always: (sites) => [some(sites, 'database', 'fsync', 0)],
    inFull: 10,
    quickly: 1,
  },
};

describe('an error of the system is told, and mended by the next run', () => {
  for (const [name, { begin, always, inFull, quickly }] of Object.entries(cells)) {
    it(name, async (t) => {
      const reason = await noStrace();
      if (reason) return t.skip(reason);
      const project = await createPagesProject(t, 'sqlite', { folders: true });
      const first = await begin(project);
      const sites = await sitesOf(project, { request: first.request }, CALLS);
      await first.end(false);
      const all = sites.flatMap(({ on, call, n }) =>
        ERRORS.flatMap((error) => [false, true].map((forEver): Fault => ({ on, call, n, error, forEver }))),
      );
      const ends: string[] = [];
      for (const fault of [...always(sites), ...picked(all, full ? inFull : quickly)]) {
        const what = `${fault.call} ${fault.n}${fault.forEver ? '+' : ''} on ${fault.on}: ${fault.error}`;
        const end = await faultyRound(project, begin, fault).catch((cause: unknown) => {
          throw new Error(`${what} (seed ${seed})`, { cause });
        });
        if (end) ends.push(end);
      }
      assert.ok(ends.length > 0, 'some faults came about');
      const counted = [...Map.groupBy(ends, (end) => end)].map(([end, { length }]) => `${length} × ${end}`);
      survived(t, { cases: ends.length, of: all.length, detail: counted.join(', ') });
    });
  }
});
