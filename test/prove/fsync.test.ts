import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { Manifest } from '../../src/core/manifest.ts';
import { startRunner } from '../../src/runner/runner.ts';
import type { Project } from '../helpers/project.ts';
import { scratchFolder } from '../helpers/runner-parts.ts';
import { createPagesProject, crashRound, type Direction, type Pages, stepsOf } from '../crash/pages.ts';
import { type RunOptions, type Said, startRun, stateOf } from '../crash/rig.ts';
import { full, seed, survived } from './cases.ts';
import { createFullDisk, type FullDisk } from './full-disk.ts';
import { noLoopDisks } from './loop-disk.ts';
import { createOnDisk, type Part } from './on-disk.ts';
import { type Call, noStrace, parseTrace, type Threads, traced } from './tracing.ts';

const SYNCS = ['fsync', 'fdatasync'];
const directions = ['export', 'import', 'sync'] as const;

/** Who asks for an fsync: what works on files, or one of the databases. */
type Who = 'files' | 'state' | 'database';

function pathsOf(project: Pages, who: Who): string[] {
  const file = who === 'state' ? join(project.repo.path, '.git/sync-run/state.db') : project.db.url.slice('sqlite:'.length);
  return ['', '-wal', '-journal'].map((end) => file + end);
}

async function callsOf(project: Pages, options: RunOptions, args: (threads: Threads) => string[], isNarrow = false) {
  const log = project.repo.beside('syncs.log');
  const trace = ['-y', '-e', `trace=${[...SYNCS, 'unlink', 'clone3'].join(',')}`, '-o', log];
  const { said, threads } = await traced(project, options, (all) => [...trace, ...args(all)]);
  // With one thread to follow, strace does not say which.
  const text = (await readFile(log, 'utf8')).replaceAll(/^(?=[a-z])/gm, `${threads.pool} `);
  // What begins threads is not seen where only calls on some paths are, which none but the run makes.
  const own = isNarrow ? [...text.matchAll(/^\d+/gm)].map(Number) : threads.all;
  return { said, threads, calls: parseTrace(text, own) };
}

/** How many fsyncs each makes until the run is over; what comes then only tidies up a log. */
async function syncsOf(project: Pages, direction: Direction): Promise<{ who: Who; n: number }[]> {
  await project.change(direction);
  const { said, threads, calls } = await callsOf(project, { request: { direction } }, () => []);
  assert.equal(said?.exit, 0, said?.message);
  const over = calls.findIndex(({ name, strings }) => name === 'unlink' && strings[0]?.endsWith('/lock.json'));
  assert.ok(over > 0, 'the end of the run is seen');
  const counts: Record<Who, number> = { files: 0, state: 0, database: 0 };
  for (const { name, path, thread } of calls.slice(0, over)) {
    if (!SYNCS.includes(name)) continue;
    if (thread === threads.pool) counts.files += 1;
    for (const who of ['state', 'database'] as const) if (pathsOf(project, who).includes(path ?? '')) counts[who] += 1;
  }
  return Object.entries(counts).flatMap(([who, count]) => Array.from({ length: count }, (_, n) => ({ who: who as Who, n: n + 1 })));
}

/** The inode of a file that was not made durable is never asked again: it would say yes, and what it holds is lost. */
function assertNotAgain(calls: readonly Call[], isFile: (path: string) => boolean): number {
  const lost = new Set<string>();
  for (const { name, path, error } of calls) {
    if (!SYNCS.includes(name) || path === null) continue;
    assert.ok(!lost.has(path), `"${path}" is not fsynced again after that failed`);
    if (error && isFile(path)) lost.add(path);
  }
  return calls.filter(({ name, error }) => SYNCS.includes(name) && error).length;
}

const OWN = /\/\.sync-run-[^/]*$/;

/** What a run says whose fsync failed, and what it leaves if the batch was not decided by then. */
async function assertFailed(project: Pages, said: Said | null, before: unknown, base: unknown): Promise<null> {
  const told = `${said?.exit} ${said?.code} ${said?.message} ${said?.report?.notices.join(' ') ?? ''}`;
  const { intent, base: now } = await stateOf(project);
  // What is done and on record stays so where only the removal of what was kept is not durable; that is told as well.
  const isTidying = said?.exit === 0 && /clearing up/.test(told);
  if (!isTidying) assert.ok(said && said.exit > 1, `no success is told after a failed fsync: ${told}`);
  if (intent === null && JSON.stringify(now) === JSON.stringify(base))
    assert.deepEqual(await project.world(), before, 'what failed before its batch was decided changed nothing');
  return null;
}

describe('an fsync that fails once', { concurrency: 2 }, () => {
  for (const direction of directions) {
    it(`fails the ${direction}, is not tried again, and the next run ends it`, async (t) => {
      const reason = await noStrace();
      if (reason) return t.skip(reason);
      const project = await createPagesProject(t, 'sqlite', { folders: true });
      const all = await syncsOf(project, direction);
      const picked = full || direction === 'export' ? all : all.filter((_, n) => (n + seed) % 3 === 0);
      for (const { who, n } of picked) {
        const run = async (options: RunOptions): Promise<Said | null> => {
          const [before, { base }] = [await project.world(), await stateOf(project)];
          const whom = ({ pool }: Threads): string[] =>
            who === 'files' ? ['-p', String(pool)] : pathsOf(project, who).flatMap((path) => ['-P', path]);
          const inject = ['-e', `inject=${SYNCS.join(',')}:error=EIO:when=${n}`];
          const { said, calls } = await callsOf(project, options, (threads) => [...whom(threads), ...inject], true);
          const isTexts = (path: string): boolean => OWN.test(path);
          // It is counted in each thread, and after a failed COMMIT the database is asked by another one.
          assert.ok(assertNotAgain(calls, isTexts) > 0, 'an fsync failed');
          return assertFailed(project, said, before, base);
        };
        await crashRound(project, { direction, killAt: 0, run }).catch((cause: unknown) => {
          throw new Error(`fsync ${n} of the ${who} (seed ${seed})`, { cause });
        });
      }
      survived(t, { cases: picked.length, of: all.length });
    });
  }
});

/** A program that has the database open, as a forum has, and is killed in the end: whoever comes next reads its log anew. */
async function openElsewhere(project: Project): Promise<AsyncDisposable> {
  const path = project.db.url.slice('sqlite:'.length);
  const script = `const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(${JSON.stringify(path)});
    db.prepare('SELECT count(*) FROM pages').get();
    console.log('open');
    setInterval(() => db, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  await once(child.stdout, 'data');
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function besideOthers<T>(project: Project, work: () => Promise<T>): Promise<T> {
  await using _other = await openElsewhere(project);
  return await work();
}

describe('a COMMIT of SQLite whose fsync fails', { concurrency: 2 }, () => {
  for (const [journal, forEver] of [
    ['WAL', false],
    ['WAL', true],
    ['DELETE', false],
  ] as const) {
    if (!full && (journal !== 'WAL' || forEver)) continue;
    it(`is settled by asking the database, journal ${journal}${forEver ? ', where it fails from then on' : ''}`, async (t) => {
      const reason = await noStrace();
      if (reason) return t.skip(reason);
      const project = await createPagesProject(t, 'sqlite');
      await project.db.sql(`PRAGMA journal_mode = ${journal}`);
      const paths = pathsOf(project, 'database');
      // The removal of a journal is the commit, and its folder makes that durable.
      const files = [...paths, dirname(paths[0]!)].flatMap((path) => ['-P', path]);
      let cases = 0;
      for (let n = 1, isOver = false; !isOver; n++) {
        const run = async (options: RunOptions): Promise<Said | null> => {
          const [before, { base }] = [await project.world(), await stateOf(project)];
          const inject = `inject=${SYNCS.join(',')}:error=EIO:when=${n}${forEver ? '+' : ''}`;
          const { said, calls } = await besideOthers(project, () => callsOf(project, options, () => [...files, '-e', inject], true));
          isOver = !calls.some(({ error }) => error);
          if (isOver || said?.exit === 0) return said;
          return assertFailed(project, said, before, base);
        };
        await crashRound(project, { direction: 'import', killAt: 0, run }).catch((cause: unknown) => {
          throw new Error(`fsync ${n} of the database (seed ${seed})`, { cause });
        });
        if (!isOver) cases += 1;
      }
      assert.ok(cases > 0, 'an fsync failed');
      survived(t, { cases });
    });
  }
});

describe('an fsync that lies', () => {
  it('harms nothing while the power stays', async (t) => {
    const reason = await noStrace();
    if (reason) return t.skip(reason);
    const project = await createPagesProject(t, 'sqlite');
    for (const direction of directions) {
      const run = async (options: RunOptions): Promise<Said | null> =>
        (await callsOf(project, options, () => ['-e', `inject=${SYNCS.join(',')}:retval=0`])).said;
      assert.equal(await crashRound(project, { direction, killAt: 0, run, quiet: true }), 'missed', 'the run ends well');
    }
    survived(t, { cases: directions.length });
  });
});

describe('a device that is full when what was written reaches it', { concurrency: 2 }, () => {
  const onFullDisk = (part: Part, name: string, work: (t: TestContext, project: Pages, disk: FullDisk) => Promise<number>): void => {
    it(name, async (t) => {
      const reason = (await noLoopDisks()) ?? (await noStrace());
      if (reason) return t.skip(reason);
      const { project, disk } = await createOnDisk(t, part, createFullDisk, { folders: false });
      const cases = await work(t, project, disk);
      await disk.replug();
      const { files, rows } = await project.world();
      assert.deepEqual(files, rows, 'what was told is on the disk');
      assert.equal(await disk.check(), null, 'the file system is sound');
      survived(t, { cases });
    });
  };

  /** A run on the full disk, seen by strace. */
  const onFull = (project: Pages, disk: FullDisk, mayFit = false): ((options: RunOptions) => Promise<Said | null>) => {
    return async (options) => {
      const [before, { base }] = [await project.world(), await stateOf(project)];
      await disk.fill();
      try {
        const { said, calls } = await callsOf(project, options, () => []);
        const failed = assertNotAgain(calls, (path) => OWN.test(path));
        // Blocks of what a killed run staged are still there, and may be the very ones that are given out again.
        if (failed === 0 && mayFit) return said;
        assert.ok(failed > 0, 'an fsync failed');
        return await assertFailed(project, said, before, base);
      } finally {
        await disk.free();
      }
    };
  };

  for (const [part, direction] of [
    ['files', 'export'],
    ['files', 'sync'],
    ['state', 'import'],
    ['database', 'import'],
  ] as const) {
    if (!full && direction === 'sync') continue;
    onFullDisk(part, `fails the ${direction} whose ${part} are on it, and the next run ends it`, async (_t, project, disk) => {
      const rounds = full ? 6 : 2;
      for (let n = 0; n < rounds; n++) {
        await crashRound(project, { direction, killAt: 0, run: onFull(project, disk) });
        // What is in memory is not what counts.
        await disk.replug();
        const { files, rows } = await project.world();
        assert.deepEqual(files, rows, 'what was told is on the disk');
      }
      return rounds;
    });
  }

  onFullDisk('files', 'fails a recovery, and the next one ends the batch', async (_t, project, disk) => {
    const names = await stepsOf(project, 'export');
    const first = names.indexOf('open') + 1;
    const written = names.indexOf('write') + 1;
    const last = full ? names.indexOf('link') + 1 : written;
    const steps = Array.from({ length: last - first }, (_, n) => first + 1 + n).filter(
      (n) => full || n === first + 1 + (seed % (last - first)),
    );
    for (const killAt of steps) {
      let runs = 0;
      const run = async (options: RunOptions): Promise<Said | null> => {
        runs += 1;
        if (runs === 1) return (await startRun(project, { ...options, killAt })).go();
        return onFull(project, disk, killAt > written)(options);
      };
      assert.equal(
        await crashRound(project, { direction: 'export', killAt, recoveries: [0], run }),
        'inside',
        'there is a batch to recover',
      );
      await disk.replug();
    }
    return steps.length;
  });

  onFullDisk('files', 'fails the batch of a runner, which tells of no success and goes on', async (t, project, disk) => {
    const runtimeDir = await scratchFolder(t);
    const runner = await startRunner({
      cwd: project.repo.path,
      env: project.env,
      mode: 'write',
      signal: new AbortController().signal,
      surroundings: { platform: process.platform, uid: process.getuid?.() ?? null, runtimeDir, home: undefined, tmpdir: runtimeDir },
      command: 'watch',
      live: false,
      rows: null,
    });
    try {
      const look: Manifest = { id: 'look', source: 'watcher', direction: 'sync', oldHead: null, newHead: null, entries: null };
      const { old, changed } = await project.change('export');
      await disk.fill();
      await assert.rejects(runner.queue.submit(look).report, { code: 'IO' }, 'whoever asked is told of the failure');
      const told = runner.events.history().map(({ type }) => type);
      assert.ok(told.includes('batch-failed') && !told.includes('batch-applied'), `the events tell of no success: ${told.join(', ')}`);
      assert.deepEqual(await project.world(), old, 'nothing was changed');
      await disk.free();
      await runner.queue.submit(look).report;
      assert.deepEqual(await project.world(), changed, 'the next batch of the same runner does it');
    } finally {
      await disk.free();
      await runner.close();
    }
    return 1;
  });
});
