import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { forEachLimited } from '../../src/tree/pool.ts';
import { useMariadb } from '../helpers/mariadb.ts';
import { type Engine, engines } from '../helpers/project.ts';
import { memory } from '../helpers/scratch-tree.ts';
import { casesIn, full, seed, survived } from './cases.ts';
import { play, type Tally } from './histories-play.ts';
import { history, type Step } from './histories-steps.ts';
import { createWorld, type World } from './histories-world.ts';

// Thousands of runs would only wait for the disk.
process.env.TMPDIR = memory();
useMariadb();

interface Stored {
  /** Where `fast-check` begins, besides the seed of this run. */
  seeds: number[];
  /** What once failed, or would fail without one of the protections. */
  histories: { name: string; steps: Step[]; engines?: Engine[] }[];
}

const stored = JSON.parse(await readFile(new URL('./histories.json', import.meta.url), 'utf8')) as Stored;

const newTally = (): Tally => ({ histories: 0, steps: 0, crashes: 0, disturbed: 0 });
const words = ({ histories, crashes, disturbed }: Tally): string =>
  `${histories} histories, ${crashes} crashes, ${disturbed} edits in the middle of a run`;

/** A mutant is dead with the first one that fails. */
const oneIsEnough = process.env.SYNC_RUN_MUTANT !== undefined;

for (const engine of engines) {
  it(`histories that once failed, or fail without a protection, lose nothing on ${engine}`, async (t) => {
    const world = await createWorld(t, engine);
    const tally = newTally();
    for (const { name, steps, engines: wanted = ['sqlite'] } of stored.histories) {
      if (!full && !wanted.includes(engine)) continue;
      let failed = false;
      await t.test(name, async () => {
        failed = true;
        await play(world, steps, tally);
        failed = false;
      });
      if (failed && oneIsEnough) break;
    }
    survived(t, { cases: tally.steps, detail: words(tally) });
  });
}

/** Who plays next; SQLite most, since only there nobody waits for a server. */
const turns: readonly Engine[] = ['sqlite', 'innodb', 'sqlite', 'myisam'];

/**
 * How many steps the full run plays, and how many of them one process does. Half of the time is the kernel's, which starts git the
 * slower the more memory the process has: so each plays on one database only, and keeps little that is young.
 */
const FULL = 100_000;
const SHARE = 5_000;
const LITTLE = '--max-semi-space-size=1';

/** Set for a process that plays a share: how many steps, and on which database. */
const [share, only] = process.env.SYNC_RUN_HISTORIES?.split(' ') ?? [];
const wanted = Number(share ?? 600);

it('random histories lose no text, replace none unseen, and come to rest', { timeout: 60 * 60_000 }, async (t) => {
  const elsewhere = full ? await playShares(t) : 0;
  const tally = newTally();
  const worlds = new Map<Engine, World>();
  let turn = 0;
  for (const at of full ? stored.seeds : seeds()) {
    if (tally.steps >= wanted) break;
    const engine = (only as Engine | undefined) ?? turns[turn++ % turns.length]!;
    const world = worlds.get(engine) ?? (await createWorld(t, engine));
    worlds.set(engine, world);
    await some(world, at, tally);
  }
  survived(t, { cases: tally.steps + elsewhere, detail: words(tally) });
});

/** A process more than there are processors: each of them waits for git and for the server half of the time. */
async function playShares(t: TestContext): Promise<number> {
  let steps = 0;
  await forEachLimited(Array.from({ length: FULL / SHARE }).keys(), availableParallelism() + 1, async (n) => {
    const played = await playElsewhere(turns[n % turns.length]!, seed + n * 1_000_000, t.signal);
    steps += played;
  });
  return steps;
}

/** This very test with other seeds in a process of its own; the steps it played. */
async function playElsewhere(engine: Engine, from: number, signal: AbortSignal): Promise<number> {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    SYNC_RUN_PROVE: '',
    SYNC_RUN_HISTORIES: `${SHARE} ${engine}`,
    SYNC_RUN_SEED: String(from),
  };
  // Else the runner of tests takes it for one of its own.
  delete env.NODE_TEST_CONTEXT;
  const args = [LITTLE, '--test-reporter=spec', '--test-name-pattern=random histories', fileURLToPath(import.meta.url)];
  const child = spawn(process.execPath, args, { env, signal, stdio: ['ignore', 'pipe', 'inherit'] });
  let told = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) told += chunk;
  const found = told.split('\n').flatMap((line) => casesIn(line.replace(/^\W+/, '')) ?? []);
  assert.equal(found.length, 1, `The other process failed:\n${told}`);
  return found[0]!.cases;
}

function* seeds(): Generator<number> {
  if (share === undefined) yield* stored.seeds;
  for (let at = seed; ; at++) yield at;
}

/** To make a failing history small takes a minute, which a run that only has to fail does not want. */
const shrinks = process.env.SYNC_RUN_SHRINK !== undefined;

async function some(world: World, from: number, tally: Tally): Promise<void> {
  let failure: unknown;
  const property = fc.asyncProperty(history, async (steps) => {
    try {
      await play(world, steps, tally);
    } catch (error) {
      failure = error;
      throw error;
    }
  });
  const details = await fc.check(property, {
    seed: from,
    numRuns: 4,
    endOnFailure: !shrinks,
    ...(shrinks && { interruptAfterTimeLimit: 60_000 }),
  });
  if (!details.failed) return;
  const told = `seed ${from}, path ${details.counterexamplePath}; as steps for histories.json: ${JSON.stringify(details.counterexample?.[0])}`;
  if (!(failure instanceof assert.AssertionError)) throw new Error(`A history broke the rig; ${told}`, { cause: failure });
  throw new assert.AssertionError({ message: `${failure.message}\n${told}` });
}
