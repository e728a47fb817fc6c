import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crashRound, createPagesProject, type Direction, type Hit } from '../crash/pages.ts';
import { type RunOptions, type Said, startRun, stateOf } from '../crash/rig.ts';
import { useMariadb } from '../helpers/mariadb.ts';
import { full, randomFrom, seed, survived } from './cases.ts';

useMariadb();

/** Steps before which a run is killed, its recovery, the recovery of that, and the one after it. */
interface Chain {
  killAt: number;
  recoveries: number[];
}

/** The first recoveries are killed early, so that there is something left for the later ones. */
const WITHIN = [8, 16, 40] as const;

/** Steps of a run from the one on before which it takes the lock, and writes that to a file. */
function stepsFromLock(names: readonly string[]): { first: number; last: number } {
  return { first: 1 + names.indexOf('rename'), last: names.length };
}

function chains(names: readonly string[], count: number): Chain[] {
  const random = randomFrom(seed);
  const { first, last } = stepsFromLock(names);
  // Up to there a run looks only; one without files has fewer steps after it.
  const middle = first + Math.floor((last - first) * (names.includes('link') ? 0.35 : 0.6));
  return Array.from({ length: count }, (_, index) => ({
    killAt: middle + Math.floor(((index + random()) / count) * (last - middle)),
    recoveries: WITHIN.map((steps) => first + 1 + Math.floor(random() * steps)),
  }));
}

/** One chain whose recoveries have most to do: nothing has its name any more, and nothing has its new one. */
function worst(names: readonly string[]): Chain[] {
  const { first } = stepsFromLock(names);
  const killAt = 1 + names.indexOf('link');
  return killAt === 0 ? [] : [{ killAt, recoveries: [first + 4, first + 9, first + 14] }];
}

for (const [engine, directions] of [
  ['sqlite', full ? ['export', 'import', 'sync'] : ['export']],
  ['innodb', full ? ['export', 'import', 'sync'] : ['import']],
] as ['sqlite' | 'innodb', Direction[]][]) {
  describe(`a recovery on ${engine} that is killed, and again, and again`, () => {
    for (const direction of directions) {
      it(`ends an interrupted ${direction}`, async (t) => {
        const project = await createPagesProject(t, engine, { folders: true });
        await project.change(direction);
        const whole = await (await startRun(project, { request: { direction }, killAt: Number.MAX_SAFE_INTEGER })).go();
        assert.equal(whole?.exit, 0, whole?.message);
        let recoveriesKilled = 0;
        const run = async (options: RunOptions): Promise<Said | null> => {
          const isRecovery = options.request.paths !== undefined;
          const { intent } = await stateOf(project);
          const said = await (await startRun(project, options)).go();
          if (!said && isRecovery && intent) recoveriesKilled += 1;
          if (said && isRecovery) assert.equal(said.exit, 0, `a recovery ends well: ${said.message}`);
          return said;
        };
        const hits: Hit[] = [];
        const wanted = [...worst(whole.names), ...chains(whole.names, full ? 7 : 1)];
        for (const [index, chain] of [...wanted, ...chains(whole.names, 5)].entries()) {
          if (index >= wanted.length && recoveriesKilled > 0) break;
          hits.push(
            await crashRound(project, { direction, ...chain, run }).catch((cause: unknown) => {
              throw new Error(`Killed before step ${chain.killAt}, recoveries before ${chain.recoveries.join(', ')} (seed ${seed})`, {
                cause,
              });
            }),
          );
        }
        const counted = [...Map.groupBy(hits, (hit) => hit)].map(([hit, { length }]) => `${length} ${hit}`);
        assert.ok(recoveriesKilled > 0, 'some recoveries were cut short');
        survived(t, { cases: recoveriesKilled, detail: `runs killed ${counted.join(', ')} their batch` });
      });
    }
  });
}
