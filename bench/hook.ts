/**
 * What a hook costs: the built entry with a runner against the start of an empty program of the same Node.js, and commits that touch a mapped
 * path and none, with our hooks, against one without any.
 *
 *   npm run bench -- hook [rounds] [pages]
 *
 * Rounds alternate, so that what else the machine does falls on all alike; processor time is that of the processes started here.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { applyHooks } from '../src/git/hooks-apply.ts';
import { planHooks } from '../src/git/hooks-plan.ts';
import { openRepository } from '../src/git/repository.ts';
import { trackedArgs } from '../src/git/status.ts';
import { connectRunner } from '../src/runner/client.ts';
import type { RunnerStatus } from '../src/runner/runner.ts';
import { percentiles, withSite } from '../test/helpers/bench-site.ts';
import { cliCommand } from '../test/helpers/cli.ts';

const [rounds = '40', pages = '1000'] = process.argv.slice(2);
const top = fileURLToPath(new URL('..', import.meta.url));

/** The package as npm would have it, in a folder of its own. */
async function build(folder: string): Promise<string> {
  execFileSync(process.execPath, [join(top, 'scripts/build.ts'), join(folder, 'dist')]);
  await cp(join(top, 'package.json'), join(folder, 'package.json'));
  await cp(join(top, 'hooks'), join(folder, 'hooks'), { recursive: true });
  await symlink(join(top, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'dist/hooks/entry.cjs');
}

/** One line per thing measured: every round's milliseconds, and the processor time of all rounds together. */
class Figures {
  readonly #all = new Map<string, { wall: number[]; cpu: number[] }>();
  measure(
    name: string,
    program: string,
    args: readonly string[],
    options: { cwd: string; env: Record<string, string>; input?: string },
  ): void {
    const started = performance.now();
    // The shell tells the processor time of what it ran, children of children included.
    const { status, stdout, stderr } = spawnSync('sh', ['-c', '"$@"; code=$?; times; exit $code', 'sh', program, ...args], {
      ...options,
      encoding: 'utf8',
    });
    const wall = performance.now() - started;
    if (status !== 0) throw new Error(`${name}: ${stderr}`);
    const [user = 0, system = 0] = [...(stdout.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)].map(
      ([, m, s]) => Number(m) * 60_000 + Number(s) * 1000,
    );
    const figures = this.#all.get(name) ?? { wall: [], cpu: [] };
    figures.wall.push(wall);
    figures.cpu.push(user + system);
    this.#all.set(name, figures);
  }
  median(name: string): number {
    return percentiles(this.#all.get(name)?.wall ?? []).p50;
  }
  show(): void {
    const mean = (all: number[]): number => Math.round(all.reduce((sum, n) => sum + n, 0) / all.length);
    console.table(
      Object.fromEntries([...this.#all].map(([name, { wall, cpu }]) => [name, { ...percentiles(wall), 'cpu mean': mean(cpu) }])),
    );
  }
}

const folder = await mkdtemp(join(tmpdir(), 'sync-run-bench-'));
try {
  const entry = await build(folder);
  const empty = join(folder, 'empty.mjs');
  await writeFile(empty, '');
  await mkdir(join(folder, 'none'));
  await withSite(Number(pages), async ({ repo, gitDir, stateFolder, env, git }) => {
    const repository = await openRepository(repo, env);
    await applyHooks(repository, await planHooks(repository, { runtime: process.execPath, entry, root: 'db' }));
    const [program, ...args] = cliCommand();
    const runner = spawn(program, [...args, 'watch'], { cwd: repo, env, stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(runner.stdout, 'data');
      const client = await connectRunner({ stateFolder, version: '0.1.0', who: 'bench hook' });
      if (!client) throw new Error('There is no runner');
      // Nobody commits within a blink of saving: what the runner does about the save is over by then.
      const idle = async (): Promise<void> => {
        // Twice in a row: between the opening of the gate and the look that follows it there is a moment with nothing to see.
        for (let seen = 0; seen < 2;) {
          await sleep(100);
          const { queue, gate } = (await client.status()) as RunnerStatus;
          seen = queue.depth === 0 && queue.running === null && gate.closed.length === 0 ? seen + 1 : 0;
        }
      };
      const figures = new Figures();
      const at = { cwd: repo, env };
      const commit = (...more: string[]): string[] => [...more, 'commit', '--quiet', '--message', 'Work'];
      for (let n = 0; n < Number(rounds); n += 1) {
        figures.measure('an empty program', process.execPath, [empty], at);
        await writeFile(join(repo, `db/pages/en/page-${n}.html`), `round ${n}\n`);
        await git('add', 'db');
        await idle();
        // As the stub starts it, which asks git meanwhile.
        const told = { ...at, env: { ...env, SYNC_RUN_STATUS_OF: 'db' }, input: await git(...trackedArgs, '--', 'db') };
        figures.measure('the entry, pre-commit of one file, with a runner', process.execPath, [entry, gitDir, 'pre-commit'], told);
        figures.measure('a commit of one mapped file', 'git', commit(), at);
        await writeFile(join(repo, 'README'), `round ${n}\n`);
        await git('add', 'README');
        figures.measure('a commit of no mapped file', 'git', commit(), at);
        await writeFile(join(repo, 'README'), `round ${n} again\n`);
        await git('add', 'README');
        figures.measure('the same without hooks', 'git', commit('-c', `core.hooksPath=${join(folder, 'none')}`), at);
      }
      client.close();
      console.log(`${rounds} rounds among ${pages} pages, Node ${process.version}; milliseconds`);
      figures.show();
      const start = figures.median('an empty program');
      const alone = figures.median('the entry, pre-commit of one file, with a runner');
      const whole = figures.median('a commit of one mapped file') - figures.median('the same without hooks');
      console.log(`The entry takes ${(alone / start).toFixed(2)} times as long as an empty program, a mapped file adds`);
      console.log(`${(whole / start).toFixed(2)} times as long to a commit: the shell, git's own answers, and the entry`);
    } finally {
      const ended = once(runner, 'close');
      runner.kill('SIGTERM');
      await ended;
    }
  });
} finally {
  await rm(folder, { recursive: true, force: true });
}
