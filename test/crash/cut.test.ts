import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lockWait } from '../helpers/lock-wait.ts';
import { useMariadb } from '../helpers/mariadb.ts';
import { cutRound, type Meanwhile, throughProxy } from './cutting.ts';
import type { CutPlan } from './proxy.ts';
import { full, sample, seed, survived } from '../prove/cases.ts';

const server = useMariadb();

describe('an import whose connection is cut', () => {
  for (const dead of [false, true]) {
    it(`at any packet is done exactly once${dead ? ', also if the server stays away' : ''}`, async (t) => {
      const cutting = await throughProxy(t, (await server()).port);
      await cutting.project.change('import');
      cutting.proxy.cutAt(null);
      assert.equal((await cutting.run()).exit, 0);
      const { client, server: answers } = { ...cutting.proxy.seen };
      const ends: string[] = [];
      const [wanted, inFull] = dead ? [4, 15] : [9, 40];
      const plans: CutPlan[] = [
        ...sample(client, wanted, inFull).map((n): CutPlan => ({ at: 'client', n, how: 'lost', dead })),
        ...sample(client, wanted, inFull).map((n): CutPlan => ({ at: 'client', n, how: 'delivered', dead })),
        ...sample(answers, wanted, inFull).map((n): CutPlan => ({ at: 'server', n, how: 'lost', dead })),
      ];
      for (const plan of plans) {
        ends.push(
          await cutRound(cutting, plan).catch((cause: unknown) =>
            Promise.reject(new Error(`${JSON.stringify(plan)}, seed ${seed}`, { cause })),
          ),
        );
      }
      survived(t, { cases: ends.length, of: 2 * client + answers, detail: count(ends) });
      assert.ok(full || ends.length >= 3 * wanted);
    });
  }

  it('at COMMIT is settled by asking the database, and not before the old transaction is over', async (t) => {
    const cutting = await throughProxy(t, (await server()).port);
    const { project, proxy } = cutting;
    const plan = await cutting.commitOfBatch();
    const round = (cut: Partial<CutPlan> & Pick<CutPlan, 'how'>, meanwhile?: Meanwhile) =>
      cutRound(cutting, { ...plan, ...cut }, meanwhile);
    assert.equal(await round({ how: 'lost' }), 'exit 5');
    assert.equal(await round({ how: 'delivered' }), 'exit 0');
    assert.equal(await round({ how: 'lost', dead: true }), 'exit 3 (not committed)');
    assert.equal(await round({ how: 'delivered', dead: true }), 'exit 3 (committed)');
    // The server has the transaction still open when it is asked; then COMMIT arrives, or never does.
    const asked = (end: () => void) => async () => {
      await proxy.cut();
      await lockWait(new URL(project.db.url).pathname.slice(1), project.db.sql);
      end();
    };
    assert.equal(await round({ how: 'held' }, { meanwhile: asked(proxy.release) }), 'exit 0');
    assert.equal(await round({ how: 'held' }, { meanwhile: asked(proxy.drop) }), 'exit 5');
    assert.equal(await round({ how: 'held' }, { afterwards: proxy.release }), 'exit 3 (committed)');
    assert.equal(await round({ how: 'held' }, { afterwards: proxy.drop }), 'exit 3 (not committed)');
    survived(t, { cases: 8 });
  });
});

function count(ends: readonly string[]): string {
  return [...Map.groupBy(ends, (end) => end)].map(([end, { length }]) => `${length} × ${end}`).join(', ');
}
