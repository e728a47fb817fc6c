import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { engines } from '../helpers/project.ts';
import { counted, crashRound, createPagesProject, type Hit, stepsOf } from './pages.ts';
import { full, sample, seed, survived } from '../prove/cases.ts';

useMariadb();

for (const engine of engines) {
  describe(`a run on ${engine}, killed before any of its steps`, () => {
    for (const direction of ['export', 'import', 'sync'] as const) {
      it(`${direction}: all is old or all is new, and the next run ends it`, async (t) => {
        const project = await createPagesProject(t, engine, { folders: true });
        const { length: steps } = await stepsOf(project, direction);
        const hits: Hit[] = [];
        for (const killAt of sample(steps, 4, 12)) {
          hits.push(
            await crashRound(project, { direction, killAt, quiet: killAt % 4 === 0 }).catch((error: unknown) => {
              throw new Error(`Killed before step ${killAt} of ${steps} (seed ${seed})`, { cause: error });
            }),
          );
        }
        survived(t, { ...counted(hits), of: steps });
        if (full) assert.ok(hits.includes('inside'), 'some kills left a batch unfinished');
      });
    }
  });
}
