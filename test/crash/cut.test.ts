import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { lockWait } from '../helpers/lock-wait.ts';
import { useMariadb } from '../helpers/mariadb.ts';
import { cutRound, exportRound, type Meanwhile, recoveryRound, throughProxy } from './cutting.ts';
import type { Cut, CutPlan } from './proxy.ts';
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
      const [wanted, inFull] = dead ? [4, 12] : [9, 32];
      const plans: CutPlan[] = [
        ...sample(client, wanted, inFull).map((n): CutPlan => ({ at: 'client', n, how: 'lost', dead })),
        ...sample(client, wanted, inFull).map((n): CutPlan => ({ at: 'client', n, how: 'delivered', dead })),
        ...sample(answers, wanted, inFull).map((n): CutPlan => ({ at: 'server', n, how: 'lost', dead })),
        ...halves({ client, answers }, dead ? [1, 4] : [2, 8]).map((plan) => ({ ...plan, dead })),
      ];
      for (const plan of plans) ends.push(await named(plan, cutRound(cutting, plan)));
      survived(t, { cases: ends.length, of: 3 * client + 2 * answers, detail: count(ends) });
      assert.ok(full || ends.length >= 3 * wanted);
    });
  }

  it('at COMMIT is settled by asking the database, and not before the old transaction is over', async (t) => {
    const cutting = await throughProxy(t, (await server()).port);
    const { project, proxy } = cutting;
    const plan = await cutting.commitOfBatch();
    const round = (cut: Partial<CutPlan> & Pick<CutPlan, 'how'>, meanwhile?: Meanwhile) =>
      cutRound(cutting, { ...plan, ...cut }, meanwhile);
    assert.equal(await round({ how: 'lost' }), 'exit 5', 'the database is asked what became of a COMMIT without an answer');
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

  it('at COMMIT, and again while the same run settles it, is done exactly once', async (t) => {
    const cutting = await throughProxy(t, (await server()).port);
    const commit = await cutting.commitOfBatch();
    const ends: string[] = [];
    let of = 0;
    for (const how of ['lost', 'delivered'] as const) {
      const packets = await cutting.packetsAfter({ ...commit, how });
      of += 3 * packets;
      for (const next of inTurn(1, packets, 3)) {
        const plan: CutPlan = { ...commit, how, next };
        ends.push(await named(plan, cutRound(cutting, plan)));
      }
    }
    survived(t, { cases: ends.length, of, detail: count(ends) });
  });
});

it('a recovery whose connection is cut at any of its packets leaves the batch to the next one', async (t) => {
  const cutting = await throughProxy(t, (await server()).port);
  const commit = await cutting.commitOfBatch();
  const ends: string[] = [];
  let of = 0;
  for (const how of ['lost', 'delivered'] as const) {
    const uncut = await recoveryRound(cutting, { commit, how, cut: null });
    assert.ok(uncut.first > 0 && uncut.last > uncut.first, `the transaction of a recovery: ${JSON.stringify(uncut)}`);
    const packets = uncut.last + 1 - uncut.first;
    of += 3 * packets;
    // Before it there is only the way to the database, of which an import is cut as well.
    for (const cut of full ? inAllWays(uncut.first, packets) : inTurn(uncut.first, packets, 2)) {
      const round = recoveryRound(cutting, { commit, how, cut }).then(({ ended }) => ended);
      ends.push(await named(cut, round));
    }
  }
  survived(t, { cases: ends.length, of, detail: count(ends) });
});

it('an export whose connection is cut at any packet writes all files or none', async (t) => {
  const cutting = await throughProxy(t, (await server()).port);
  await cutting.project.change('export');
  cutting.proxy.cutAt(null);
  assert.equal((await cutting.run({ direction: 'export' })).exit, 0);
  const { client, server: answers } = { ...cutting.proxy.seen };
  const [wanted, inFull] = [2, 8];
  const plans: CutPlan[] = [
    ...sample(client, wanted, inFull).map((n): CutPlan => ({ at: 'client', n, how: 'lost' })),
    ...sample(client, wanted, inFull).map((n): CutPlan => ({ at: 'client', n, how: 'delivered' })),
    ...sample(answers, wanted, inFull).map((n): CutPlan => ({ at: 'server', n, how: 'lost' })),
    ...halves({ client, answers }, [2, 4]),
  ];
  const ends: string[] = [];
  for (const plan of plans) ends.push(await named(plan, exportRound(cutting, plan)));
  survived(t, { cases: ends.length, of: 3 * client + 2 * answers, detail: count(ends) });
});

/** Cuts in the middle of packets, of both directions. */
function halves({ client, answers }: { client: number; answers: number }, [wanted, inFull]: [number, number]): CutPlan[] {
  return [
    ...sample(client, wanted, inFull).map((n): CutPlan => ({ at: 'client', n, how: 'half' })),
    ...sample(answers, wanted, inFull).map((n): CutPlan => ({ at: 'server', n, how: 'half' })),
  ];
}

const ways: readonly Cut[] = ['lost', 'delivered', 'half'];

/** Cuts at some of so many packets of the client from one on, in one way after the other. */
function inTurn(first: number, packets: number, wanted: number): CutPlan[] {
  return sample(packets, wanted, packets).map((n, index) => ({ at: 'client', n: first + n - 1, how: ways[(seed + index) % ways.length]! }));
}

/** Cuts at all of them in all ways. */
function inAllWays(first: number, packets: number): CutPlan[] {
  const numbers = Array.from({ length: packets }, (_, index) => first + index);
  return numbers.flatMap((n) => ways.map((how): CutPlan => ({ at: 'client', n, how })));
}

/** Says which cut it was that went wrong. */
function named<T>(plan: CutPlan, round: Promise<T>): Promise<T> {
  return round.catch((cause: unknown) => Promise.reject(new Error(`${JSON.stringify(plan)}, seed ${seed}`, { cause })));
}

function count(ends: readonly string[]): string {
  return [...Map.groupBy(ends, (end) => end)].map(([end, { length }]) => `${length} × ${end}`).join(', ');
}
