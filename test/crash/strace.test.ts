import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it, type TestContext } from 'node:test';
import { full, sample, seed, survived } from '../prove/cases.ts';
import { noStrace, traced } from '../prove/tracing.ts';
import { crashRound, createPagesProject, type Hit, type Pages } from './pages.ts';
import { onlyRecover, type RunOptions, type Said, startRun } from './rig.ts';

/** Calls after which the disk, or what others see of this process, is different. */
const CALLS = 'pwrite64,pwritev,fsync,fdatasync,ftruncate,fchmod,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir';

/** A call, counted by itself in each thread. */
interface Point {
  call: string;
  n: number;
}

async function run(project: Pages, options: RunOptions, args: readonly string[]): Promise<Said | null> {
  const { said } = await traced(project, { ...options, killAt: 0 }, () => ['-e', `trace=${CALLS}`, ...args]);
  // The tracer follows children too; a killed git stops the run, which says so.
  if (said && /"git .*" failed/.test(said.message)) {
    assert.deepEqual([said.exit, said.code], [5, 'IO'], 'a killed git is an error of its own');
    return null;
  }
  return said;
}

const killedAt =
  (project: Pages, { call, n }: Point) =>
  (options: RunOptions): Promise<Said | null> =>
    run(project, options, ['-o', '/dev/null', '-e', `inject=${call}:signal=SIGKILL:when=${n}`]);

/** All calls a run makes. */
async function pointsOf(project: Pages, options: RunOptions): Promise<Point[]> {
  const log = project.repo.beside('calls.log');
  const said = await run(project, options, ['-o', log]);
  assert.equal(said?.exit, 0, said?.message);
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
  assert.ok(points.length > 40, `${points.length} calls`);
  return points;
}

async function killAtEach(
  t: TestContext,
  points: readonly Point[],
  wanted: number,
  kill: (point: Point, at: number) => Promise<Hit>,
): Promise<Hit[]> {
  const hits: Hit[] = [];
  for (const at of sample(points.length, wanted, Math.floor(points.length / 2))) {
    const point = points[at - 1]!;
    hits.push(
      await kill(point, at).catch((cause: unknown) => {
        throw new Error(`Killed at call ${point.n} of ${point.call} (seed ${seed})`, { cause });
      }),
    );
  }
  const found = [...Map.groupBy(hits, (hit) => hit)].map(([hit, { length }]) => `${length} ${hit}`);
  survived(t, { cases: hits.length, of: points.length, detail: found.join(', ') });
  return hits;
}

it('a run killed at calls of the system leaves all old or all new', async (t) => {
  const reason = await noStrace();
  if (reason) return t.skip(reason);
  const project = await createPagesProject(t, 'sqlite');
  const direction = 'sync';
  await project.change(direction);
  const points = await pointsOf(project, { request: { direction } });
  const hits = await killAtEach(t, points, 12, (point, at) =>
    crashRound(project, { direction, killAt: 0, run: killedAt(project, point), quiet: at % 5 === 0 }),
  );
  if (full) assert.ok(hits.includes('inside') && hits.includes('after'), 'kills hit every part of a run');
});

it('a recovery killed at calls of the system is ended by the next one', async (t) => {
  const reason = await noStrace();
  if (reason) return t.skip(reason);
  const project = await createPagesProject(t, 'sqlite');
  const direction = 'export';
  await project.change(direction);
  const whole = await (await startRun(project, { request: { direction }, killAt: Number.MAX_SAFE_INTEGER })).go();
  const killAt = 1 + (whole?.names.indexOf('link') ?? -1);
  assert.ok(killAt > 0, `the run makes a link: ${whole?.message}`);
  await project.change(direction);
  assert.equal(await (await startRun(project, { request: { direction }, killAt })).go(), null, 'the run was killed');
  const points = await pointsOf(project, { request: onlyRecover });
  await killAtEach(t, points, 6, (point) => {
    let runs = 0;
    const kill = async (options: RunOptions): Promise<Said | null> =>
      runs++ === 0 ? (await startRun(project, options)).go() : killedAt(project, point)(options);
    return crashRound(project, { direction, killAt, recoveries: [0], run: kill });
  });
});
