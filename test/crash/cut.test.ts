import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { useMariadb } from '../helpers/mariadb.ts';
import { assertTxid, baseOf, digestsOf, exhaustive, filesOf, intentOf, runHere, sample, type Said, seed } from './rig.ts';
import { createPagesProject, type Pages, type World } from './pages.ts';
import { type CutPlan, startProxy, type Proxy } from './proxy.ts';

const server = useMariadb();

interface Cutting {
  project: Pages;
  proxy: Proxy;
  /** An import whose connection leads through the proxy. */
  run(): Promise<Pick<Said, 'exit' | 'code' | 'message' | 'report'>>;
  /** How often each row was changed by a transaction that was committed, beyond what the changes of the test did. */
  written(): Promise<Record<string, number>>;
}

async function throughProxy(t: TestContext): Promise<Cutting> {
  const project = await createPagesProject(t, 'innodb');
  const proxy = await startProxy((await server()).port);
  t.after(() => proxy.close());
  const { db } = project;
  await db.sql('CREATE TABLE written (id INT AUTO_INCREMENT PRIMARY KEY, slug VARCHAR(191)) ENGINE=InnoDB');
  for (const [event, row] of [['UPDATE', 'NEW'], ['INSERT', 'NEW'], ['DELETE', 'OLD']]) {
    await db.sql(`CREATE TRIGGER on_${event} AFTER ${event} ON pages FOR EACH ROW INSERT INTO written (slug) VALUES (${row}.slug)`);
  }
  const url = new URL(db.url);
  url.port = String(proxy.port);
  return {
    project,
    proxy,
    run: () => runHere(project, { direction: 'import' }, undefined, { ...project.env, SYNC_RUN_DATABASE_URL: url.href }),
    async written() {
      const rows = await db.sql('SELECT slug, COUNT(*) AS n FROM written GROUP BY slug ORDER BY slug');
      return Object.fromEntries(rows.map(({ slug, n }) => [String(slug), Number(n)]));
    },
  };
}

/** One import that is cut, and one that is not: it is done exactly once, and its end was told truly. */
async function cutRound({ project, proxy, run, written }: Cutting, plan: CutPlan, { meanwhile, afterwards }: { meanwhile?: () => Promise<void>; afterwards?: () => void } = {}): Promise<string> {
  const { age } = project;
  const { old, changed } = await project.change('import');
  await project.db.sql('DELETE FROM written');
  proxy.cutAt(plan);
  const [said] = await Promise.all([run(), meanwhile?.()]);
  afterwards?.();
  proxy.cutAt(null);
  const intent = await intentOf(project);
  const isNew = same((await project.settledWorld()).rows, changed.rows, old.rows);
  assert.ok(!(said.exit === 0 && !isNew), 'exit 0 says that all was written');
  assert.ok(!(said.exit === 5 && isNew), 'exit 5 says that nothing was changed');
  assert.equal(said.code === 'COMMIT_UNKNOWN', intent !== null, `the intent is kept exactly where nobody knows: ${said.code}`);
  assert.ok([0, 3, 5].includes(said.exit), `exit ${said.exit}: ${said.message}`);
  assert.doesNotMatch(said.message, /root:|password/);

  const next = await run();
  assert.equal(next.exit, 0, `${next.code}: ${next.message}`);
  await assertIs(project, changed);
  const once = { edit: 1, [`gone${age.files - 1}`]: 1, [`gone${age.files}`]: 1, [`name${age.files}`]: 1 };
  assert.deepEqual(await written(), once, 'every row was written exactly once');
  return `exit ${said.exit}${intent ? ` (${isNew ? 'committed' : 'not committed'})` : ''}`;
}

function same(rows: Record<string, string>, changed: Record<string, string>, old: Record<string, string>): boolean {
  if (JSON.stringify(rows) === JSON.stringify(changed)) return true;
  assert.deepEqual(rows, old, 'rows are all old or all new');
  return false;
}

async function assertIs(project: Pages, { files, rows }: World): Promise<void> {
  assert.deepEqual(await project.world(), { files, rows });
  assert.deepEqual(await filesOf(project), files);
  assert.deepEqual(await baseOf(project), digestsOf(files));
  assert.equal(await intentOf(project), null);
  await assertTxid(project);
}

describe('an import whose connection is cut', () => {
  for (const dead of [false, true]) {
    it(`at any packet is done exactly once${dead ? ', also if the server stays away' : ''}`, async (t) => {
      const cutting = await throughProxy(t);
      await cutting.project.change('import');
      cutting.proxy.cutAt(null);
      assert.equal((await cutting.run()).exit, 0);
      const { client, server: answers } = { ...cutting.proxy.seen };
      const ends: string[] = [];
      const wanted = dead ? 4 : 9;
      const plans: CutPlan[] = [
        ...sample(client, wanted).map((n): CutPlan => ({ at: 'client', n, how: 'lost', dead })),
        ...sample(client, wanted).map((n): CutPlan => ({ at: 'client', n, how: 'delivered', dead })),
        ...sample(answers, wanted).map((n): CutPlan => ({ at: 'server', n, how: 'lost', dead })),
      ];
      for (const plan of plans) {
        ends.push(await cutRound(cutting, plan).catch((cause: unknown) => Promise.reject(new Error(`${JSON.stringify(plan)}, seed ${seed}`, { cause }))));
      }
      t.diagnostic(`${ends.length} of ${2 * client + answers} cuts: ${count(ends)}; seed ${seed}`);
      assert.ok(exhaustive || ends.length >= 3 * wanted);
    });
  }

  it('at COMMIT is settled by asking the database, and not before the old transaction is over', async (t) => {
    const cutting = await throughProxy(t);
    const { project, proxy } = cutting;
    // Reading ends with a COMMIT as well, so that of the batch is told by its number.
    await project.change('import');
    proxy.cutAt(null);
    assert.equal((await cutting.run()).exit, 0);
    const before = proxy.statements.slice(0, proxy.statements.indexOf('COMMIT', proxy.statements.indexOf('START TRANSACTION')) + 1);
    const plan: Omit<CutPlan, 'how'> = { at: { statement: 'COMMIT' }, n: before.filter((one) => one === 'COMMIT').length };
    const waits = async (): Promise<void> => {
      await proxy.cut();
      for (;;) {
        const [row] = await project.db.sql("SELECT COUNT(*) AS n FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'");
        if (Number(row?.n) > 0) return;
        // The table is a copy that InnoDB renews only when nobody has read it for 100 ms.
        await setTimeout(150);
      }
    };

    assert.equal(await cutRound(cutting, { ...plan, how: 'lost' }), 'exit 5');
    assert.equal(await cutRound(cutting, { ...plan, how: 'delivered' }), 'exit 0');
    assert.equal(await cutRound(cutting, { ...plan, how: 'lost', dead: true }), 'exit 3 (not committed)');
    assert.equal(await cutRound(cutting, { ...plan, how: 'delivered', dead: true }), 'exit 3 (committed)');
    // The server has the transaction still open when it is asked; then COMMIT arrives, or never does.
    assert.equal(await cutRound(cutting, { ...plan, how: 'held' }, { meanwhile: async () => (await waits(), proxy.release()) }), 'exit 0');
    assert.equal(await cutRound(cutting, { ...plan, how: 'held' }, { meanwhile: async () => (await waits(), proxy.drop()) }), 'exit 5');
    assert.equal(await cutRound(cutting, { ...plan, how: 'held' }, { afterwards: () => proxy.release() }), 'exit 3 (committed)');
    assert.equal(await cutRound(cutting, { ...plan, how: 'held' }, { afterwards: () => proxy.drop() }), 'exit 3 (not committed)');
  });
});

function count(ends: readonly string[]): string {
  return [...Map.groupBy(ends, (end) => end)].map(([end, { length }]) => `${length} × ${end}`).join(', ');
}
