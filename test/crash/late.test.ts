import assert from 'node:assert/strict';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { digest } from '../../src/core/digest.ts';
import { at } from '../helpers/scenario.ts';
import { createPagesProject, type Pages, stepsOf } from './pages.ts';
import { full, survived } from '../prove/cases.ts';
import { filesOf, intentOf, onlyRecover, runHere, startRun, withState } from './rig.ts';

/** Whether somebody can still get at a text: it is in a file, or in the history. */
async function isKept(project: Pages, text: string): Promise<boolean> {
  if (Object.values(await filesOf(project)).includes(text)) return true;
  return withState(project, async (state) => (await state.blob(digest(Buffer.from(text)))) !== null);
}

for (const replaced of [false, true]) {
  it(`what an editor writes to the old file while it is replaced${replaced ? ', and what it then puts in its place,' : ''} survives a kill at any step`, async (t) => {
    const project = await createPagesProject(t, 'sqlite');
    const names = await stepsOf(project, 'export');
    // All files are in place by then, and nothing has looked at them again.
    const pauseAt = 2 + names.findLastIndex((name) => name === 'link' || name === 'rename');
    const path = join(project.repo.path, at('redit'));
    let kills = 0;
    for (let killAt = pauseAt + 1, ended = false; !ended; killAt += full ? 1 : 2) {
      const text = `late ${killAt}\n`;
      const other = `other ${killAt}\n`;
      await project.change('export');
      const handle = await open(path, 'r+');
      const child = await startRun(project, { request: { direction: 'export' }, killAt, pauseAt });
      const said = child.go();
      await child.paused();
      await handle.truncate();
      await handle.write(text, 0);
      await handle.close();
      if (replaced) {
        await project.repo.write('other', other);
        await rename(join(project.repo.path, 'other'), path);
      }
      child.resume();
      const end = await said;
      assert.ok(!end || end.exit === 1, end?.message);
      ended = end !== null;
      if (!ended) kills += 1;
      const recovered = await runHere(project, onlyRecover);
      assert.equal(recovered.exit, 0, recovered.message);
      assert.equal(await intentOf(project), null);
      assert.ok(await isKept(project, text), `"${text.trim()}" is lost; killed before step ${killAt}`);
      if (replaced) assert.ok(await isKept(project, other), `"${other.trim()}" is lost; killed before step ${killAt}`);
      // Back to where both sides agree, for the next round.
      await runHere(project, { direction: 'export', prefer: 'row' });
      assert.deepEqual((await project.world()).files, (await project.world()).rows);
    }
    assert.ok(kills > 3, `${kills} kills`);
    survived(t, { cases: kills });
  });
}
