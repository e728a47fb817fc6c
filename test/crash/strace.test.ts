import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { crashRound, createPagesProject, type Hit, type Pages } from './pages.ts';
import { full, sample, seed } from '../prove/cases.ts';
import { type RunOptions, type Said, startRun } from './rig.ts';

const execute = promisify(execFile);

/** Calls after which the disk, or what others see of this process, is different. */
const CALLS =
  'openat,write,pwrite64,pwritev,fsync,fdatasync,ftruncate,fchmod,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir';

/** Why there is no strace; installs it where that is possible. */
async function missing(): Promise<string | null> {
  if (process.platform !== 'linux') return 'strace is for Linux';
  try {
    await execute('strace', ['-V']);
  } catch (cause) {
    if (process.getuid?.() !== 0) return 'strace is not installed, and only root can install it';
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    await execute('apt-get', ['update'], { env });
    await execute('apt-get', ['install', '-y', 'strace'], { env, maxBuffer: 64 * 1024 * 1024 }).catch((error: unknown) => {
      throw new Error('Installing the package "strace" failed', { cause: [cause, error] });
    });
  }
  return null;
}

/** Attaches to a process and all its threads; resolves once it sees their calls. */
async function attach(pid: number, args: readonly string[]): Promise<ChildProcess> {
  const tracer = spawn('strace', ['-f', '-p', String(pid), '-e', `trace=${CALLS}`, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  for await (const text of tracer.stderr!.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    said += String(text);
    if (said.includes('attached')) break;
  }
  assert.match(said, /attached/);
  tracer.stderr!.resume();
  return tracer;
}

/** Runs with a tracer attached, from the moment on when everything is loaded. */
async function traced(project: Pages, options: RunOptions, args: readonly string[]): Promise<Said | null> {
  // One thread makes all calls of the tree, so that their order is the same each time.
  const child = await startRun(project, { ...options, killAt: 0, env: { UV_THREADPOOL_SIZE: '1' } });
  const tracer = await attach(child.pid, args);
  const ended = tracer.exitCode === null ? once(tracer, 'exit') : null;
  const said = await child.go();
  await ended;
  // The tracer follows children too; a killed git stops the run, which says so.
  if (said && /"git .*" failed/.test(said.message)) {
    assert.deepEqual([said.exit, said.code], [5, 'IO']);
    return null;
  }
  return said;
}

it('a run killed at calls of the system leaves all old or all new', async (t) => {
  const reason = await missing();
  if (reason) return t.skip(reason);
  const project = await createPagesProject(t, 'sqlite');
  const log = project.repo.beside('calls.log');
  const direction = 'sync';
  await project.change(direction);
  assert.equal((await traced(project, { request: { direction } }, ['-o', log]))?.exit, 0);

  // The injection counts every call by itself, in every thread.
  const counts = new Map<string, number>();
  for (const line of (await readFile(log, 'utf8')).split('\n')) {
    const [, thread = '', call = ''] = /^(\d+)\s+(\w+)\(/.exec(line) ?? [];
    if (call) counts.set(`${thread} ${call}`, (counts.get(`${thread} ${call}`) ?? 0) + 1);
  }
  const most = new Map<string, number>();
  for (const [key, count] of counts) {
    const call = key.split(' ')[1] ?? '';
    most.set(call, Math.max(most.get(call) ?? 0, count));
  }
  const points = [...most].flatMap(([call, count]) => Array.from({ length: count }, (_, n) => ({ call, n: n + 1 })));
  assert.ok(points.length > 100, `${points.length} calls`);
  const hits: Hit[] = [];
  for (const at of sample(points.length, 14)) {
    const { call, n } = points[at - 1]!;
    const inject = ['-o', '/dev/null', '-e', `inject=${call}:signal=SIGKILL:when=${n}`];
    const run = (options: RunOptions): Promise<Said | null> => traced(project, options, inject);
    hits.push(
      await crashRound(project, { direction, killAt: 0, run, quiet: at % 5 === 0 }).catch((cause: unknown) => {
        throw new Error(`Killed at call ${n} of ${call} (seed ${seed})`, { cause });
      }),
    );
  }
  const found = [...Map.groupBy(hits, (hit) => hit)].map(([hit, { length }]) => `${length} ${hit}`);
  t.diagnostic(`${hits.length} of ${points.length} calls: ${found.join(', ')}; seed ${seed}`);
  if (full) assert.ok(hits.includes('inside') && hits.includes('after'));
});
