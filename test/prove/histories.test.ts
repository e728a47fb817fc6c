import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import fc from 'fast-check';
import { useMariadb } from '../helpers/mariadb.ts';
import { type Engine, engines } from '../helpers/project.ts';
import { memory } from '../helpers/scratch-tree.ts';
import { full, seed, survived } from './cases.ts';
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

for (const engine of engines) {
  it(`histories that once failed, or fail without a protection, lose nothing on ${engine}`, async (t) => {
    const world = await createWorld(t, engine);
    const tally = newTally();
    for (const { name, steps, engines: wanted = ['sqlite'] } of stored.histories) {
      if (!full && !wanted.includes(engine)) continue;
      await t.test(name, () => play(world, steps, tally));
    }
    survived(t, { cases: tally.steps, detail: words(tally) });
  });
}

it('random histories lose no text, replace none unseen, and come to rest', async (t) => {
  const tally = newTally();
  const world = await createWorld(t, 'sqlite');
  const wanted = Number(process.env.SYNC_RUN_HISTORIES ?? (full ? 100_000 : 1_500));
  for (const at of seeds()) {
    if (tally.steps >= wanted) break;
    await some(world, at, tally);
  }
  survived(t, { cases: tally.steps, detail: words(tally) });
});

function* seeds(): Generator<number> {
  yield* stored.seeds;
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
    numRuns: 10,
    endOnFailure: !shrinks,
    ...(shrinks && { interruptAfterTimeLimit: 60_000 }),
  });
  if (!details.failed) return;
  const told = `seed ${from}, path ${details.counterexamplePath}; as steps for histories.json: ${JSON.stringify(details.counterexample?.[0])}`;
  if (!(failure instanceof assert.AssertionError)) throw new Error(`A history broke the rig; ${told}`, { cause: failure });
  throw new assert.AssertionError({ message: `${failure.message}\n${told}` });
}
