import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type ErrorCode, errorCodes } from '../../src/core/errors.ts';
import { needsPerson } from '../../src/core/skips.ts';
import type { Report } from '../../src/runner/report.ts';
import { createPagesProject, type Direction, type Pages } from '../crash/pages.ts';
import { assertTxid, digestsOf, onlyRecover, runHere, type RunOptions, type Said, stateOf } from '../crash/rig.ts';
import { full, randomFrom, seed, survived } from './cases.ts';
import { type Call, noStrace, parseTrace, type Threads, traced } from './tracing.ts';

const ERRORS = ['EIO', 'ENOSPC', 'EROFS', 'EDQUOT', 'EMFILE', 'EACCES'] as const;
const CALLS = 'openat read pread64 write pwrite64 fsync fdatasync ftruncate fchmod getdents64 rename link unlink mkdir rmdir'.split(' ');

/** A call that can be made to fail: the nth of its kind, of those on some paths or of those for files. */
interface Site {
  /** `files`: all that the one thread for files does. */
  on: 'files' | 'state' | 'database' | 'lock';
  call: string;
  n: number;
}

interface Fault extends Site {
  error: (typeof ERRORS)[number];
  forEver: boolean;
}

function pathsOf(project: Pages, on: Exclude<Site['on'], 'files'>): string[] {
  const folder = join(project.repo.path, '.git/sync-run');
  const forum = project.repo.beside('forum.db');
  if (on === 'database') return [forum, `${forum}-wal`];
  const names = on === 'state' ? ['state.db', 'state.db-wal'] : ['lock.db', 'lock.db-journal', 'lock.json.tmp'];
  return names.map((name) => join(folder, name));
}

/** All sites of a run that nobody disturbs. */
async function sitesOf(project: Pages, direction: Direction): Promise<Site[]> {
  const log = project.repo.beside('calls.log');
  await project.change(direction);
  const args = ['-y', '-e', `trace=${CALLS.join(',')},clone,clone3`, '-o', log];
  const { said, threads } = await traced(project, { request: { direction } }, () => args);
  assert.equal(said?.exit, 0, said?.message);
  const counts = new Map<string, Site>();
  const count = (on: Site['on'], call: string): void => {
    const site = counts.get(`${on} ${call}`) ?? { on, call, n: 0 };
    counts.set(`${on} ${call}`, { ...site, n: site.n + 1 });
  };
  for (const call of parseTrace(await readFile(log, 'utf8'), threads.all)) {
    if (!CALLS.includes(call.name)) continue;
    const on = (['state', 'database', 'lock'] as const).find((some) => isAbout(call, pathsOf(project, some)));
    if (on) count(on, call.name);
    // With the others it wakes the main thread.
    else if (call.thread === threads.pool && call.name !== 'write') count('files', call.name);
  }
  return [...counts.values()].flatMap((last) => Array.from({ length: last.n }, (_, index) => ({ ...last, n: index + 1 })));
}

function isAbout({ path, strings }: Call, paths: readonly string[]): boolean {
  return (path !== null && paths.includes(path)) || strings.some((text) => paths.includes(text));
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
  const whom = ({ pool }: Threads): string[] =>
    on === 'files' ? ['-p', String(pool)] : pathsOf(project, on).flatMap((path) => ['-P', path]);
  const inject = `inject=${call}:error=${error}:when=${n}${forEver ? '+' : ''}`;
  const args = ['-y', '-e', `trace=${call}`, '-e', inject];
  let [hit, missed] = [false, false];
  const { said } = await traced(
    project,
    options,
    (threads) => [...whom(threads), ...args],
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

/**
 * One change, a run with a fault, and one without: what the first says is true, each text is the old or the new one, and the
 * second ends it and leaves nothing behind.
 *
 * @returns how the run with the fault ended; null if the fault never came about
 */
async function faultyRound(project: Pages, direction: Direction, fault: Fault): Promise<string | null> {
  const { base: baseBefore } = await stateOf(project);
  const { old, changed } = await project.change(direction);
  const ran = await faulty(project, fault, { request: { direction } });
  if (!ran) {
    assert.equal((await runHere(project, { direction })).exit, 0, 'a run that was killed is ended by the next');
    return null;
  }
  const { said, hit } = ran;
  const told = `exit ${said.exit}, ${said.code}: ${said.message}`;
  assert.notEqual(said.code, 'INTERNAL', `an error of the system is no defect of sync-run: ${told}`);
  assert.equal(
    said.exit,
    said.code === null ? said.exit && 1 : errorCodes[said.code as ErrorCode]?.exit,
    `ends as the contract says: ${told}`,
  );
  assert.match(said.message, /^$|^[A-Z"][^\n]*$/, `an error is told in one line: ${told}`);

  const skipped = (said.report as Pick<Report, 'skipped'> | null)?.skipped.filter(needsPerson) ?? [];
  const exit = skipped.length > 0 ? 1 : said.exit;
  const [world, { intent }] = [await project.world(), await stateOf(project)];
  const files = Object.fromEntries(Object.entries(world.files).filter(([path]) => !OWN.test(path)));
  if (exit === 0) assert.deepEqual({ files, rows: world.rows }, changed, 'exit 0 says that all was done');
  if (exit === 0 && !isSame(world, changed)) assert.match(String(said.report?.notices), /clearing up/, 'what is left is told');
  // An item that moves is named by one of its paths.
  const stem = (path: string): string => path.replace(/\d+\.html$/, '');
  const named = (path: string): boolean => skipped.some((skip) => stem(path) === stem(skip.path) || path.startsWith(`${skip.path}/`));
  for (const side of ['files', 'rows'] as const) assertEach({ files, rows: world.rows }[side], old[side], changed[side], side);
  if (exit === 1) {
    const done = paths(world.files, changed.files).filter(
      (path) => world.files[path] !== changed.files[path] || world.rows[path] !== changed.rows[path],
    );
    assert.deepEqual(
      done.filter((path) => !named(path)),
      [],
      `exit 1 names what was not done: ${JSON.stringify(skipped)}`,
    );
  }
  // Whether a commit is there whose fsync failed, nobody can say.
  const isOpen = /not be finished/.test(said.message) && isSame({ files, rows: world.rows }, changed);
  if (exit > 1 && intent === null && !isOpen) assert.deepEqual(world, old, `what failed changed nothing: ${told}`);
  if (intent !== null && exit > 0) assert.match(said.message, UNFINISHED, `an unfinished batch is told: ${told}`);

  const recovered = await runHere(project, onlyRecover);
  assert.equal(recovered.exit, 0, `recovery: ${recovered.code}: ${recovered.message}`);
  const after = await project.world();
  if (exit !== 1 && !isSame(after, old))
    assert.deepEqual(after, changed, 'all is old or all is new after recovery, and nothing else is there');
  const state = await stateOf(project);
  if (exit !== 1)
    assert.deepEqual(state.base, isSame(after, old) ? baseBefore : digestsOf(changed.files), 'the base is what both sides agree on');
  assert.equal(state.intent, null, 'no batch is unfinished after recovery');

  const last = await runHere(project, { direction });
  assert.equal(last.exit, 0, `the next run: ${last.code}: ${last.message}`);
  assert.deepEqual(await project.world(), changed, 'the next run ends it');
  assert.deepEqual((await stateOf(project)).base, digestsOf(changed.files), 'the base is what the next run left');
  await assertTxid(project);
  const end = `exit ${exit}${intent ? ', to be finished' : ''}`;
  return hit ? end : null;
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

/** Always tried: the last call of each kind, where most is done already, and the first that writes what the run is about. */
function always(sites: readonly Site[], direction: Direction): Fault[] {
  const some = (on: Site['on'], call: string, which: number): Fault => {
    const site = sites.filter((one) => one.on === on && one.call === call).at(which);
    assert.ok(site, `the run makes a call ${call} on ${on}`);
    return { ...site, error: 'EIO', forEver: false };
  };
  if (direction === 'import') return [some('database', 'pwrite64', 0), some('state', 'fsync', 0)];
  // The last name removed is the note of who holds the lock; before it, the old files are cleared away.
  const last = (['fsync', 'rename', 'link'] as const).map((call) => some('files', call, -1));
  const record: Fault = { ...some('state', 'fsync', 2), forEver: true };
  return [some('files', 'pwrite64', 0), ...last, some('files', 'unlink', -2), record];
}

describe('an error of the system is told, and mended by the next run', () => {
  for (const direction of ['export', 'import'] as const) {
    it(`during an ${direction}`, async (t) => {
      const reason = await noStrace();
      if (reason) return t.skip(reason);
      const project = await createPagesProject(t, 'sqlite');
      const sites = await sitesOf(project, direction);
      const all = sites.flatMap((site) => ERRORS.flatMap((error) => [false, true].map((forEver): Fault => ({ ...site, error, forEver }))));
      const ends: string[] = [];
      for (const fault of [...always(sites, direction), ...picked(all, full ? 110 : 5)]) {
        const what = `${fault.call} ${fault.n}${fault.forEver ? '+' : ''} on ${fault.on}: ${fault.error}`;
        const end = await faultyRound(project, direction, fault).catch((cause: unknown) => {
          throw new Error(`${what} (seed ${seed})`, { cause });
        });
        if (end) ends.push(end);
      }
      const counted = [...Map.groupBy(ends, (end) => end)].map(([end, { length }]) => `${length} × ${end}`);
      survived(t, { cases: ends.length, of: all.length, detail: counted.join(', ') });
    });
  }
});
