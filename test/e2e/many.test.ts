import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { connectRunner } from '../../src/runner/client.ts';
import type { RunnerEvent } from '../../src/runner/events.ts';
import type { BatchSummary } from '../../src/state/state.ts';
import type { CliRun } from '../helpers/cli.ts';
import { pagesConfig } from '../helpers/project.ts';
import { at } from '../helpers/scenario.ts';
import { createSeen } from '../helpers/seen.ts';
import { startProgram as start, startWatch as watch } from '../helpers/program.ts';
import { createSite, type Site, until } from '../helpers/site.ts';

const pages = { home: 'home\n', about: 'about\n', news: 'news\n' };

async function eventsOf(t: TestContext, site: Site) {
  const seen = createSeen<RunnerEvent>();
  const connection = await connectRunner({ stateFolder: site.stateFolder, version: '0.1.0', who: 'a test', deadline: 30_000 });
  assert.ok(connection);
  const stop = new AbortController();
  const over = connection.subscribe((event) => seen.add(event as RunnerEvent), stop.signal);
  t.after(async () => {
    stop.abort();
    connection.close();
    await over;
  });
  return seen;
}

async function kill({ child, ended }: { child: ChildProcess; ended: Promise<unknown> }, signal: NodeJS.Signals): Promise<unknown> {
  process.kill(child.pid!, signal);
  return ended;
}

const socketOf = (site: Site): string => join(site.stateFolder, 'socket');

/** Twenty at the same moment; those that wait for each other wait as long as it takes. */
function twenty(site: Site): Promise<CliRun[]> {
  const typed = ['sync', 'import', 'sync', 'export'].map((command) => [command, '--lock-timeout', '300']);
  const hooks = ['post-checkout', 'post-merge', 'post-rewrite', 'pre-commit'].map((hook) => ['hook', hook]);
  const commands = Array.from({ length: 20 }, (_unused, n) => (n % 5 === 4 ? ['status'] : (n % 2 === 0 ? typed : hooks)[n % 4])!);
  return Promise.all(commands.map((args) => site.cli(args)));
}

/** What batches wrote in all: nothing is lost or applied twice, however it was divided. */
function written(batches: BatchSummary[]): { files: number; rows: number } {
  return {
    files: batches.reduce((sum, { counts }) => sum + counts.files, 0),
    rows: batches.reduce((sum, { counts }) => sum + counts.rows, 0),
  };
}

function assertAnswered(runs: CliRun[]): void {
  for (const { code, stderr } of runs) assert.equal(code, 0, stderr);
}

describe('twenty commands started at the same moment', () => {
  it('without a runner, as the first of a working tree', async (t) => {
    const site = await createSite(t, { pages, hooks: false, run: false });
    await site.write(at('new'), 'new\n');
    assertAnswered(await twenty(site));
    assert.deepEqual(await site.texts(), { ...pages, new: 'new\n' });
    assert.deepEqual(await site.rows(), { ...pages, new: 'new\n' });
    assert.deepEqual(written(await site.batches()), { files: 3, rows: 1 });
    // This tree, and the target itself.
    assert.equal((await site.db.sql('SELECT * FROM sync_run_tree')).length, 2);
    assert.equal((await site.status()).inSync, 4);
  });

  it('without a runner, with edits to carry', async (t) => {
    const site = await createSite(t, { pages, hooks: false, prepare: async () => {} });
    const known = (await site.batches()).length;
    await site.write(at('home'), 'edited\n');
    await site.write(at('new'), 'new\n');
    assertAnswered(await twenty(site));
    assert.deepEqual(await site.rows(), { ...pages, home: 'edited\n', new: 'new\n' });
    assert.equal((await site.batches()).length, known + 1);
    assert.equal((await site.db.sql('SELECT * FROM sync_run_tree')).length, 2);
  });

  it('with a runner, which stays the only one', async (t) => {
    const site = await createSite(t, { pages, hooks: false, prepare: async () => {} });
    const known = (await site.batches()).length;
    const runner = await watch(t, site);
    const second = site.cli(['watch']);
    await site.write(at('home'), 'edited\n');
    await site.write(at('new'), 'new\n');
    assertAnswered(await twenty(site));
    const { code, stderr } = await second;
    assert.equal(code, 6);
    assert.match(stderr, new RegExp(`has a runner already: process ${runner.child.pid} \\(watch\\)`));
    assert.deepEqual(await site.rows(), { ...pages, home: 'edited\n', new: 'new\n' });
    assert.deepEqual(written((await site.batches()).slice(known)), { files: 0, rows: 2 });
    assert.equal(await kill(runner, 'SIGTERM'), 0);
  });
});

describe('a runner that is killed', () => {
  it('at any moment leaves the next command in charge at once', async (t) => {
    const site = await createSite(t, { pages, hooks: false, prepare: async () => {} });
    for (let round = 0; round < 10; round += 1) {
      const runner = await watch(t, site);
      await Promise.all(['home', 'about', `page-${round}`].map((slug) => site.write(at(slug), `round ${round}\n`)));
      // Any moment of a save will do, from before it is noticed to after it is done.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 250));
      assert.equal(await kill(runner, 'SIGKILL'), 'SIGKILL');
      const { code, stderr } = await site.cli(['sync', '--lock-timeout', '1']);
      assert.equal(code, 0, stderr);
      assert.deepEqual(await site.rows(), await site.texts());
      assert.equal((await site.rows())['home'], `round ${round}\n`);
    }
    const { code, stdout } = await site.cli(['verify']);
    assert.equal(code, 0, stdout);
  });

  it('takes nothing with it that another one holds: a lease ends with its own process', async (t) => {
    const site = await createSite(t, { pages, hooks: false, prepare: async () => {} });
    await watch(t, site);
    const seen = await eventsOf(t, site);
    const holder = start(t, site, ['hold', '--', 'cat']);
    await seen.until((all) => all.some(({ type }) => type === 'paused'));
    const { stdout } = await site.cli(['status']);
    assert.match(stdout, /it waits since .*: sync-run hold \(process \d+\): `cat` runs/);
    await site.write(at('home'), 'under the lease\n');
    assert.equal(await endHold(holder), 'SIGKILL');
    await seen.until((all) => all.some(({ type }) => type === 'resumed'));
    await until('the file is in its row', async () => (await site.rows())['home'] === 'under the lease\n');
    const after = await site.cli(['status']);
    assert.match(after.stdout, /it last waited for \d+ ms: sync-run hold/);
  });
});

/** Kills the holder alone; what it ran ends since its standard input does. */
async function endHold({ child, ended }: { child: ChildProcess; ended: Promise<unknown> }): Promise<unknown> {
  const exit = once(child, 'exit').then(([code, signal]) => code ?? signal);
  child.kill('SIGKILL');
  const how = await exit;
  child.stdin?.end();
  await ended;
  return how;
}

describe('a runner that is asked to end', () => {
  /** Somebody else writes to the database, so that the batch in hand has to wait. */
  const occupy = (site: Site) => {
    const db = new DatabaseSync(site.repo.beside('site.db'));
    db.exec('BEGIN IMMEDIATE');
    return () => {
      db.exec('COMMIT');
      db.close();
    };
  };

  it('by one signal finishes the batch in hand and leaves no socket', async (t) => {
    const site = await createSite(t, { pages, hooks: false, prepare: async () => {} });
    const runner = await watch(t, site);
    const seen = await eventsOf(t, site);
    await seen.until((all) => all.some(({ type }) => type === 'batch-applied'));
    assert.ok(existsSync(socketOf(site)));
    const release = occupy(site);
    await site.write(at('home'), 'in hand\n');
    await seen.until((all) => all.filter(({ type }) => type === 'batch-started').length === 2);
    process.kill(runner.child.pid!, 'SIGTERM');
    await until('it has heard', () => runner.said().includes('Stopping'));
    release();
    assert.equal(await runner.ended, 0);
    assert.equal((await site.rows())['home'], 'in hand\n');
    assert.equal(existsSync(socketOf(site)), false);
  });

  it('by a second signal stops at once, and the next run copes', async (t) => {
    const site = await createSite(t, { pages, hooks: false, prepare: async () => {} });
    const runner = await watch(t, site);
    const seen = await eventsOf(t, site);
    await seen.until((all) => all.some(({ type }) => type === 'batch-applied'));
    const release = occupy(site);
    await site.write(at('home'), 'in hand\n');
    await seen.until((all) => all.filter(({ type }) => type === 'batch-started').length === 2);
    process.kill(runner.child.pid!, 'SIGTERM');
    await until('it has heard', () => runner.said().includes('Stopping'));
    assert.equal(await kill(runner, 'SIGTERM'), 143);
    release();
    const { code, stderr } = await site.cli(['sync']);
    assert.equal(code, 0, stderr);
    assert.equal((await site.rows())['home'], 'in hand\n');
  });
});

it('in the background it logs, answers and ends', async (t) => {
  const site = await createSite(t, { pages, hooks: false, prepare: async () => {} });
  const { code, stdout, stderr } = await site.cli(['watch', '--detach', '--json']);
  assert.equal(code, 0, stderr);
  const { pid, log } = JSON.parse(stdout) as { pid: number; log: string };
  try {
    await site.write(at('home'), 'in the background\n');
    await until('the file is in its row', async () => (await site.rows())['home'] === 'in the background\n');
    await until('the log has it', async () => /applied 1 change .*\(batch [0-9a-f]{8}\)/.test(await readFile(log, 'utf8').catch(() => '')));
    const status = JSON.parse((await site.cli(['status', '--json'])).stdout) as { runner: { pid: number; command: string } };
    assert.deepEqual([status.runner.pid, status.runner.command], [pid, 'watch']);
    assert.equal(log, join(site.stateFolder, 'watch.log'));
    const second = await site.cli(['watch', '--detach', '--json']);
    const { error } = JSON.parse(second.stdout) as { error: { code: string; message: string } };
    assert.deepEqual([second.code, error.code], [6, 'LOCKED'], 'it fails as one in the foreground does');
    assert.match(error.message, new RegExp(`process ${pid}`));
  } finally {
    process.kill(pid, 'SIGTERM');
    await until('it has left', () => !existsSync(socketOf(site)));
  }
  const third = JSON.parse((await site.cli(['watch', '--detach', '--json', '--log', '../elsewhere.log'])).stdout) as {
    pid: number;
    log: string;
  };
  try {
    assert.equal(third.log, join(site.repo.path, '../elsewhere.log'));
    await site.write(at('home'), 'logged elsewhere\n');
    await until('that log has it', async () => /applied 1 change/.test(await readFile(third.log, 'utf8').catch(() => '')));
  } finally {
    process.kill(third.pid, 'SIGTERM');
    await until('it has left', () => !existsSync(socketOf(site)));
  }
});

it('one that is stopped is named by status, which compares the sides all the same', async (t) => {
  const site = await createSite(t, { pages, hooks: false, prepare: async () => {} });
  const runner = await watch(t, site);
  // By number, since Deno sends a child no second signal.
  process.kill(runner.child.pid!, 'SIGSTOP');
  try {
    const { code, stdout } = await site.cli(['status']);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`A runner, process ${runner.child.pid}, does not answer`));
    const { stdout: json } = await site.cli(['status', '--json']);
    assert.deepEqual((JSON.parse(json) as { runner: unknown }).runner, null);
  } finally {
    process.kill(runner.child.pid!, 'SIGCONT');
  }
});

it('a database that another program keeps locked is away, and no defect', async (t) => {
  const config = { ...pagesConfig, preCommit: { unreachable: 'block' } };
  const site = await createSite(t, { pages, config, prepare: async () => {} });
  const other = new DatabaseSync(site.repo.beside('site.db'));
  t.after(() => other.close());
  other.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
  await site.write(at('home'), 'edited\n');
  const [status, dry] = await Promise.all([site.cli(['status', '--json']), site.cli(['sync', '--dry-run', '--json'])]);
  for (const { code, stdout } of [status, dry]) {
    const { error } = JSON.parse(stdout) as { error: { code: string } };
    assert.deepEqual([code, error.code], [3, 'UNREACHABLE']);
  }
  await assert.rejects(site.repo.git('commit', '--all', '--message', 'Blocked'), /The commit is blocked because "preCommit"/);
  other.exec('ROLLBACK');
  await site.repo.git('commit', '--all', '--message', 'Passes');
  assert.equal((await site.rows())['home'], 'edited\n');
});

it('a hold outlives the runner it asked, and a commit meanwhile is checked only', async (t) => {
  const site = await createSite(t, { pages });
  const runner = await watch(t, site);
  const go = site.repo.beside('go');
  const hold = start(t, site, ['hold', '--', 'sh', '-c', `while [ ! -e '${go}' ]; do sleep 0.05; done`]);
  const isHeld = async () => {
    const { stdout } = await site.cli(['status', '--json']);
    const status = JSON.parse(stdout) as { runner: { pid: number; gate: { closed: { kind: string }[] } } | null };
    return status.runner?.gate.closed.some(({ kind }) => kind === 'lease') ? status.runner.pid : null;
  };
  await until('it is held', async () => (await isHeld()) === runner.child.pid);
  await kill(runner, 'SIGTERM');
  await until('it is held by itself', async () => (await isHeld()) === hold.child.pid);
  assert.match(hold.said(), /the pause is taken anew/);
  await site.write(at('home'), 'committed\n');
  const said = await site.repo.git('commit', '--all', '--message', 'Held');
  assert.equal((await site.rows())['home'], 'home\n', said);
  await writeFile(go, '');
  assert.equal(await hold.ended, 0, hold.said());
  assert.equal((await site.cli(['sync'])).code, 0);
  assert.equal((await site.rows())['home'], 'committed\n');
});

it('a hold ends as its command does, whoever gave the pause; a command that is stopped twice is held to its end', async (t) => {
  const site = await createSite(t, { pages, hooks: false, prepare: async () => {} });
  for (const beside of ['nobody', 'watch']) {
    if (beside === 'watch') await watch(t, site);
    const { code, stdout, stderr } = await site.cli(['hold', '--', 'sh', '-c', 'echo done; exit 3']);
    assert.deepEqual([code, stdout, stderr], [3, 'done\n', ''], beside);
    const go = site.repo.beside(`go-${beside}`);
    const script = `trap 'echo term' TERM; while [ ! -e '${go}' ] && kill -0 $PPID; do sleep 0.05; done; exit 4`;
    const hold = start(t, site, ['hold', '--', 'sh', '-c', `echo ready; ${script}`]);
    await until('the command runs', async () => hold.said().includes('ready'));
    for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM'] as const) process.kill(hold.child.pid!, signal);
    await until('SIGTERM has reached the command', async () => hold.said().includes('term'));
    assert.match((await site.cli(['status'])).stdout, /it waits since .*: sync-run hold/);
    await writeFile(go, '');
    assert.equal(await hold.ended, 4, hold.said());
  }
});

it('a hold tells what became of the work that hooks left with it, and what is left to do', async (t) => {
  const site = await createSite(t, { pages });
  await site.repo.git('switch', '--quiet', '--create', 'other');
  await site.write(at('home'), 'of other\n');
  await site.repo.git('commit', '--quiet', '--all', '--message', 'Other');
  await site.repo.git('switch', '--quiet', 'main');
  await site.db.sql('UPDATE pages SET body = ? WHERE slug = ?', ['by an admin\n', 'home']);
  const conflict = await site.cli(['hold', '--', 'git', 'switch', '--quiet', 'other']);
  assert.equal(conflict.code, 0, conflict.stderr);
  assert.match(conflict.stderr, /^sync-run: conflict: "db\/pages\/en\/home\.html"$/m);
  assert.equal((await site.cli(['resolve', '--file', at('home')])).code, 0);

  const lock = join(site.gitDir, 'index.lock');
  const waits = await site.cli(['hold', '--', 'sh', '-c', `git switch --quiet main && : >'${lock}'`]);
  assert.equal(waits.code, 0, waits.stderr);
  assert.match(waits.stderr, /^sync-run: What git changed meanwhile is not imported yet; `npx sync-run import` does it$/m);
  assert.equal((await site.rows())['home'], 'of other\n');
  await rm(lock);
  assert.equal((await site.cli(['import'])).code, 0);
  assert.equal((await site.rows())['home'], 'home\n');
});

it('a typed command for another database is refused beside a runner, and ends', async (t) => {
  const options = { pages, hooks: false, prepare: async () => {} };
  const [site, other] = [await createSite(t, options), await createSite(t, options)];
  await watch(t, site);
  const { code, stdout } = await site.cli(['import', '--json'], {
    env: { SYNC_RUN_DATABASE_URL: `sqlite:${other.repo.beside('site.db')}` },
  });
  assert.deepEqual([code, (JSON.parse(stdout) as { error: { code: string } }).error.code], [4, 'WRONG_TARGET']);
});

it('a pause lasts over runners, twice is once, and what waited follows', async (t) => {
  const site = await createSite(t, { pages, hooks: false, prepare: async () => {} });
  const first = await watch(t, site);
  const paused = await Promise.all(['one', 'two'].map((reason) => site.cli(['pause', '--reason', reason, '--json'])));
  const [one, two] = paused.map(({ stdout }) => (JSON.parse(stdout) as { paused: unknown }).paused);
  assert.deepEqual(one, two);
  assert.equal(await kill(first, 'SIGKILL'), 'SIGKILL');
  await site.write(at('home'), 'while paused\n');
  await watch(t, site);
  const seen = await eventsOf(t, site);
  await seen.until((all) => all.some((event) => event.type === 'gate-closed' && event.reasons.some(({ kind }) => kind === 'pause')));
  assert.equal((await site.rows())['home'], 'home\n');
  const { stdout } = await site.cli(['status']);
  assert.match(stdout, /Paused by sync-run pause/);
  for (const expected of [/Resumed; it was paused since/, /It was not paused/]) assert.match((await site.cli(['resume'])).stdout, expected);
  await until('the file is in its row', async () => (await site.rows())['home'] === 'while paused\n');
  assert.match((await site.cli(['status'])).stdout, /it last waited for \d+ ms: .*sync-run pause.*: (one|two)/);
});
