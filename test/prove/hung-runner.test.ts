import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { askRunner } from '../../hooks/ask-runner.ts';
import { applyHooks } from '../../src/git/hooks-apply.ts';
import { planHooks } from '../../src/git/hooks-plan.ts';
import { entryPath } from '../../src/git/hooks-stub.ts';
import { openRepository } from '../../src/git/repository.ts';
import { connectRunner, type RunnerConnection } from '../../src/runner/client.ts';
import type { RunnerStatus } from '../../src/runner/runner.ts';
import { stateOf } from '../crash/rig.ts';
import { client, manifestOf, startParts } from '../helpers/runner-parts.ts';
import { at } from '../helpers/scenario.ts';
import { createSite, type Site, until } from '../helpers/site.ts';
import { full, survived } from './cases.ts';

const runnerScript = fileURLToPath(new URL('runner-child.ts', import.meta.url));
const hungEntry = fileURLToPath(new URL('hung-entry.ts', import.meta.url));

/** What git, a hook and a runtime take beside the limit itself, on a machine that has other things to do. */
const SLACK = 8_000;
/** Of the hook in `hung-entry.ts`. */
const SILENCE = 3_000;

interface HungSite extends Site {
  stop(): Promise<void>;
  goOn(): void;
  /** Keeps everybody from writing rows until the returned function is called. */
  lockRows(): () => void;
  /** Gives the runner work that does not end while the rows are locked. */
  occupy(): Promise<void>;
  waiting(): Promise<number>;
}

/** A working tree with hooks, and a runner in a process of its own that does nothing unless it is asked. */
async function hungSite(t: TestContext, entry: string): Promise<HungSite> {
  const site = await createSite(t, {
    pages: { home: 'home\n', about: 'about\n' },
    hooks: false,
    // The first batch with rows makes the table of trees, which is not what is tried here.
    prepare: (it) => it.write(at('about'), 'about us\n'),
  });
  await site.repo.commit('More');
  const repository = await openRepository(site.repo.path, site.repo.env);
  await applyHooks(repository, await planHooks(repository, { runtime: process.execPath, entry, root: 'db' }));
  const runtimeDir = site.repo.beside('run');
  await mkdir(runtimeDir, { mode: 0o700 });
  const child = spawn(process.execPath, [runnerScript, site.repo.path, runtimeDir], {
    env: { ...site.repo.env, SYNC_RUN_DATABASE_URL: site.db.url },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const rows = new DatabaseSync(site.db.url.slice('sqlite:'.length));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
    rows.close();
  });
  assert.match(String(await Promise.race([once(child.stdout, 'data'), ended])), /ready/);
  const ask = async <T>(work: (runner: RunnerConnection) => Promise<T>): Promise<T> => {
    const runner = await connectRunner(client(site.stateFolder));
    assert.ok(runner);
    return work(runner);
  };
  return {
    ...site,
    stop: () => stopped(child),
    goOn: () => void child.kill('SIGCONT'),
    lockRows() {
      rows.exec('BEGIN IMMEDIATE');
      return () => rows.exec('ROLLBACK');
    },
    async occupy() {
      await site.write(at('about'), `about us ${Math.random()}\n`);
      const options = { kind: 'run', command: 'import', direction: 'import', dryRun: false, lockTimeout: 30_000 };
      const submit = (runner: RunnerConnection) => runner.submit(manifestOf(null), { options }).finally(() => runner.close());
      await ask(async (runner) => void submit(runner).catch(() => {}));
      await atRows(site);
    },
    waiting: () =>
      ask(async (runner) => {
        const { queue } = (await runner.status()) as RunnerStatus;
        runner.close();
        return queue.depth;
      }),
  };
}

/** Stops a process, and waits until it is. */
async function stopped(child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP');
  await until('the process is stopped', async () => /\) T /.test(await readFile(`/proc/${child.pid}/stat`, 'latin1')));
}

/** A batch has been told of as begun, and is recorded; its rows are next. */
const atRows = (site: Site): Promise<void> => until('a batch is at its rows', async () => (await stateOf(site)).intent !== null);

/** Starts git; it has to end by itself within this time. */
function git(site: Site, args: readonly string[], ms: number): Promise<{ code: number | null; said: string }> {
  // With its hooks it is a group of its own, which can be ended as a whole.
  const child = spawn('git', args, { cwd: site.repo.path, env: { ...site.repo.env, RIG_SILENCE: String(SILENCE) }, detached: true });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const abort = new AbortController();
  const late = setTimeout(ms, true, { signal: abort.signal }).catch(() => false);
  void late.then((isLate) => isLate && process.kill(-child.pid!, 'SIGKILL'));
  return once(child, 'close').then(async ([code]) => {
    abort.abort();
    assert.ok(!(await late), `git ${args[0]} was held up for more than ${ms / 1000} s`);
    return { code: code as number | null, said };
  });
}

interface Moment {
  when: string;
  limit: number;
  /** Runs git so that its hook meets the runner stopped at that moment. */
  meet(site: HungSite, start: () => ReturnType<typeof git>): ReturnType<typeof git>;
  says: Record<string, RegExp>;
}

const moments: Moment[] = [
  {
    when: 'before it has said hello',
    limit: 2_000,
    async meet(site, start) {
      await site.stop();
      return start();
    },
    says: {
      'pre-commit': /^sync-run: pre-commit did nothing: The runner does not answer$/m,
      'post-checkout': /^sync-run: post-checkout did nothing: The runner does not answer$/m,
    },
  },
  {
    when: 'before it has begun with the hook',
    limit: 2_000,
    async meet(site, start) {
      await site.occupy();
      const ended = start();
      await until('the hook waits for its turn', async () => (await site.waiting()) > 0);
      await site.stop();
      return ended;
    },
    says: {
      'pre-commit': /^sync-run: The runner has had other work in hand for 2 s: this commit was not checked/m,
      'post-checkout': /^sync-run: The runner has had other work in hand for 2 s; this comes next$/m,
    },
  },
  {
    when: 'in the middle of its batch',
    limit: SILENCE,
    async meet(site, start) {
      const ended = start();
      await atRows(site);
      await site.stop();
      return ended;
    },
    says: {
      'pre-commit': /^sync-run: The runner, process \d+, has been silent for \d+ s in the middle of its work: this commit was not checked/m,
      'post-checkout': /^sync-run: The runner, process \d+, has been silent for \d+ s .*: what git changed is not imported yet/m,
    },
  },
];

const hooks: Record<string, (site: Site, ms: number) => ReturnType<typeof git>> = {
  'pre-commit': (site, ms) => git(site, ['commit', '--quiet', '--all', '--message', 'Work'], ms),
  'post-checkout': (site, ms) => git(site, ['checkout', '--quiet', '-b', 'work'], ms),
};

/** Edits a file, has git meet a runner that hangs, and lets that go on: git was not held up, and the file is in its row in the end. */
async function round(site: HungSite, hook: string, { when, limit, meet, says }: Moment): Promise<void> {
  const what = `${hook}, stopped ${when}`;
  const before = await site.repo.git('rev-parse', 'HEAD');
  await site.write(at('home'), `home, ${what}\n`);
  const free = site.lockRows();
  const { code, said } = await meet(site, () => hooks[hook]!(site, limit + SLACK)).finally(() => {
    free();
    site.goOn();
  });
  assert.equal(code, 0, `${what}: ${said}`);
  assert.match(said, says[hook]!, what);
  if (hook === 'pre-commit') assert.notEqual(await site.repo.git('rev-parse', 'HEAD'), before, `${what}: the commit was made`);
  await until('the runner goes on', async () => (await stateOf(site)).intent === null);
  const after = await site.cli(['import']);
  assert.equal(after.code, 0, after.stderr);
  assert.deepEqual(await site.rows(), await site.texts(), `${what}: both sides are the same in the end`);
}

describe('git does not wait for a runner that hangs', { concurrency: true, skip: process.platform !== 'linux' && 'reads /proc' }, () => {
  for (const moment of moments) {
    it(moment.when, async (t) => {
      const site = await hungSite(t, moment.limit === SILENCE ? hungEntry : entryPath());
      for (const hook of Object.keys(hooks)) await round(site, hook, moment);
      survived(t, { cases: Object.keys(hooks).length });
    });
  }

  if (full) {
    it('in the middle of its batch, with the limit everybody has', async (t) => {
      const site = await hungSite(t, entryPath());
      await round(site, 'pre-commit', { ...moments.at(-1)!, limit: 30_000 });
      survived(t, { cases: 1 });
    });
  }

  it('but does for one that lives, however long a step takes', async (t) => {
    const parts = await startParts(
      t,
      async (_manifest, { onProgress }) => {
        onProgress({ step: 'rows', done: 0, total: 1 });
        await setTimeout(1.5 * SILENCE);
        return { exit: 0, lines: ['done'] };
      },
      { aliveMs: SILENCE / 30 },
    );
    const call = { hook: 'post-checkout', args: [], indexFile: null, status: Promise.resolve(null) };
    const answer = await askRunner(call, parts.stateFolder, { patience: 2_000, silence: SILENCE });
    assert.deepEqual(answer, { exit: 0, lines: ['done'] }, 'a long step is waited for');
    survived(t, { cases: 1 });
  });
});
