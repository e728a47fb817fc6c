import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { full, survived } from './cases.ts';
import { createActor } from './restored-actor.ts';
import { createScene, dumpOf, isAnother, lacksBatch, restore, worlds } from './restored-scene.ts';

useMariadb();

describe('nothing is written on either side, and it is said why', { concurrency: 2 }, () => {
  for (const { what, engines, more = [], told, make } of worlds) {
    for (const engine of [...engines, ...(full ? more : [])]) {
      it(`where ${what}, on ${engine}`, async (t) => {
        const made = await createScene(t, engine);
        const actor = createActor({ ...made, ...(await make(made)) }, what, told);
        await actor.editFile('home', 'a file edited here\n');
        await actor.editRow('home', 'a row edited in a panel');
        await actor.checkout('branch', 'post-checkout');
        await actor.commit('pre-commit');
        await actor.commands();
        if (told.event === null) {
          await assert.rejects(actor.startRunner(), told.says, `${what}: a runner starts`);
        } else {
          const runner = await actor.startRunner();
          await actor.batch(runner, 'a runner that starts', async () => {});
          await actor.batch(runner, 'a runner whose file is edited', () => actor.editFile('home', 'a file edited again\n'));
          await actor.commit('pre-commit with a runner');
          await runner.close();
          const looking = await actor.startRunner(50);
          await actor.batch(looking, 'a runner that starts to look for rows', async () => {});
          await actor.batch(looking, 'a runner that looks for rows', () => actor.editRow('home', 'a row edited again'));
          await looking.close();
        }
        survived(t, { cases: actor.cases() });
      });
    }
  }

  for (const engine of full ? (['sqlite', 'innodb'] as const) : (['sqlite'] as const)) {
    it(`where an older dump or another database is restored under a runner that watches, on ${engine}`, async (t) => {
      const scene = await createScene(t, engine);
      const { db, repo } = scene.site;
      const another = await dumpOf(scene.other, repo.beside('another'));
      let right: string | null = null;
      let cases = 0;
      for (const [told, dump] of [
        [lacksBatch, scene.dump],
        [isAnother, another],
      ] as const) {
        // Programs that restore a dump on a server do it table by table, so that rows are looked at only afterwards.
        for (const rows of engine === 'sqlite' ? [undefined, 50] : [undefined]) {
          if (right !== null) await restore(db, right);
          const actor = createActor(scene, 'under a runner', told);
          const runner = await actor.startRunner(rows);
          await runner.seen.until((events) => events.some(({ type }) => type === 'batch-applied'));
          await runner.idle();
          right = await dumpOf(db, repo.beside(`right-${cases}`));
          await restore(db, dump);
          const edit = (): Promise<void> => (rows ? actor.editRow('home', `edited ${cases}`) : actor.editFile('home', `edited ${cases}\n`));
          await actor.batch(runner, 'a runner that had begun before', edit);
          await actor.checkout((await repo.git('branch', '--show-current')).startsWith('main') ? 'branch' : 'main', 'post-checkout');
          await runner.close();
          cases += actor.cases();
        }
      }
      survived(t, { cases });
    });
  }
});
