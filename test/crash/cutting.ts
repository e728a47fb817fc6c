import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createProject, type Project } from '../helpers/project.ts';
import { type Pages, withPages, type World } from './pages.ts';
import { type CutPlan, type Proxy, startProxy } from './proxy.ts';
import { assertTxid, baseOf, digestsOf, intentOf, onlyRecover, runHere, type RunOptions, type Said } from './rig.ts';

type Ended = Pick<Said, 'exit' | 'code' | 'message' | 'report'>;

export interface Cutting {
  project: Pages;
  proxy: Proxy;
  /** Where the database is reached through the proxy. */
  env: Record<string, string>;
  /** A run, an import by default, whose connection leads through the proxy. */
  run(request?: RunOptions['request']): Promise<Ended>;
  /** Which of the client's COMMIT statements is that of the batch, as others end a look. */
  commitOfBatch(): Promise<Omit<CutPlan, 'how'>>;
  /** How many packets an import sends once it was cut. */
  packetsAfter(plan: CutPlan): Promise<number>;
  /** How often each row was changed by committed transactions. */
  written(): Promise<Record<string, number>>;
}

/** Pages on InnoDB, and imports that reach them through a proxy. */
export async function throughProxy(t: TestContext, port: number, found?: Project): Promise<Cutting> {
  const project = await withPages(found ?? (await createProject(t, { engine: 'innodb' })));
  const proxy = await startProxy(port);
  t.after(() => proxy.close());
  const { db } = project;
  await db.sql('CREATE TABLE written (id INT AUTO_INCREMENT PRIMARY KEY, slug VARCHAR(191)) ENGINE=InnoDB');
  for (const [event, row] of [
    ['UPDATE', 'NEW'],
    ['INSERT', 'NEW'],
    ['DELETE', 'OLD'],
  ]) {
    await db.sql(`CREATE TRIGGER on_${event} AFTER ${event} ON pages FOR EACH ROW INSERT INTO written (slug) VALUES (${row}.slug)`);
  }
  const url = new URL(db.url);
  url.port = String(proxy.port);
  const env = { ...project.env, SYNC_RUN_DATABASE_URL: url.href };
  const run = (request: RunOptions['request'] = { direction: 'import' }) => runHere(project, request, env);
  return {
    project,
    proxy,
    env,
    run,
    async commitOfBatch() {
      await project.change('import');
      proxy.cutAt(null);
      assert.equal((await run()).exit, 0);
      const { statements } = proxy;
      const upTo = statements.indexOf('COMMIT', statements.indexOf('START TRANSACTION'));
      return { at: { statement: 'COMMIT' }, n: statements.slice(0, upTo + 1).filter((one) => one === 'COMMIT').length };
    },
    async packetsAfter(plan) {
      await project.change('import');
      // Counts from the first cut on, and never comes to the second.
      proxy.cutAt({ ...plan, next: { at: 'client', n: Infinity, how: 'lost' } });
      await run();
      const { client } = proxy.seen;
      proxy.cutAt(null);
      assert.equal((await run()).exit, 0);
      return client;
    },
    async written() {
      const rows = await db.sql('SELECT slug, COUNT(*) AS n FROM written GROUP BY slug ORDER BY slug');
      return Object.fromEntries(rows.map(({ slug, n }) => [String(slug), Number(n)]));
    },
  };
}

export interface Meanwhile {
  /** Runs beside the run that is cut. */
  meanwhile?: () => Promise<void>;
  /** Runs after it. */
  afterwards?: () => Promise<void> | void;
}

/**
 * One import that is cut, and one that is not: it is done exactly once, its end was told truly, and rows, txid and base agree.
 *
 * @returns how the first one ended
 */
export async function cutRound(
  { project, proxy, run, written }: Cutting,
  plan: CutPlan,
  { meanwhile, afterwards }: Meanwhile = {},
): Promise<string> {
  const { age } = project;
  const before = age.files;
  const { old, changed } = await project.change('import');
  await project.db.sql('DELETE FROM written');
  proxy.cutAt(plan);
  const [said] = await Promise.all([run(), meanwhile?.()]);
  await afterwards?.();
  assertCut(proxy, plan);
  proxy.cutAt(null);
  const intent = await intentOf(project);
  const isNew = isChanged((await project.settledWorld()).rows, changed.rows, old.rows);
  assert.ok(!(said.exit === 0 && !isNew), 'exit 0 says that all was written');
  assert.ok(!(said.exit === 5 && isNew), 'exit 5 says that nothing was changed');
  assert.equal(said.code === 'COMMIT_UNKNOWN', intent !== null, `the intent is kept exactly where nobody knows: ${said.code}`);
  assert.ok([0, 3, 5].includes(said.exit), `exit ${said.exit}: ${said.message}`);

  const next = await run();
  assert.equal(next.exit, 0, `${next.code}: ${next.message}`);
  await assertIs(project, changed);
  await assertOnce(written, before);
  return `exit ${said.exit}${intent ? ` (${isNew ? 'committed' : 'not committed'})` : ''}`;
}

/**
 * One export that is cut, and one that is not: the files are all old or all new, as was told, and no row is touched.
 *
 * @returns how the first one ended
 */
export async function exportRound({ project, proxy, run, written }: Cutting, plan: CutPlan): Promise<string> {
  const { old, changed } = await project.change('export');
  await project.db.sql('DELETE FROM written');
  proxy.cutAt(plan);
  const said = await run({ direction: 'export' });
  assertCut(proxy, plan);
  proxy.cutAt(null);
  const { files } = await project.world();
  const isNew = isChanged(files, changed.files, old.files);
  assert.equal(isNew, said.exit === 0, `exit ${said.exit} says whether the files were written: ${said.message}`);
  assert.ok([0, 3, 5].includes(said.exit), `exit ${said.exit}: ${said.message}`);
  assert.equal(await intentOf(project), null, 'no export waits for the database');
  const next = await run({ direction: 'export' });
  assert.equal(next.exit, 0, `${next.code}: ${next.message}`);
  await assertIs(project, changed);
  assert.deepEqual(await written(), {}, 'an export wrote rows');
  return `exit ${said.exit}`;
}

/** An import that lost its connection at COMMIT, and what is cut of the recovery that settles it. */
export interface RecoveryPlan {
  /** The COMMIT of the import. */
  commit: Omit<CutPlan, 'how'>;
  how: 'lost' | 'delivered';
  /** Null cuts nothing. */
  cut: CutPlan | null;
}

/**
 * One import whose end is in doubt, a recovery that is cut, and one that is not: the outcome is what the database says, the intent is
 * kept until that is known, and in the end all is written exactly once.
 *
 * @returns how the first recovery ended, and which of its packets were those of its transaction
 */
export async function recoveryRound(
  cutting: Cutting,
  { commit, how, cut }: RecoveryPlan,
): Promise<{ ended: string; first: number; last: number; answers: number }> {
  const { project, proxy, run, written } = cutting;
  const before = project.age.files;
  const { old, changed } = await project.change('import');
  await project.db.sql('DELETE FROM written');
  proxy.cutAt({ ...commit, how, dead: true });
  const doubt = await run();
  assert.deepEqual([doubt.exit, doubt.code], [3, 'COMMIT_UNKNOWN'], doubt.message);
  const { rows } = await project.settledWorld();
  assert.deepEqual(rows, how === 'lost' ? old.rows : changed.rows, 'the import is as it was cut');

  proxy.cutAt(cut);
  const said = await run(onlyRecover);
  if (cut) assertCut(proxy, cut);
  const first = proxy.packetOf('START TRANSACTION');
  const packets = { first, last: proxy.packetOf('COMMIT', first), answers: proxy.seen.server };
  proxy.cutAt(null);
  assert.ok((cut ? [0, 3, 5] : [0]).includes(said.exit), `exit ${said.exit}: ${said.message}`);
  assert.deepEqual((await project.settledWorld()).rows, rows, 'a recovery wrote rows');
  const isSettled = (await intentOf(project)) === null;
  assert.ok(isSettled || said.exit !== 0, 'a recovery that ended well left its batch unfinished');

  const again = await run(onlyRecover);
  assert.equal(again.exit, 0, `${again.code}: ${again.message}`);
  assert.equal(await intentOf(project), null, 'the next recovery left its batch unfinished');
  assert.deepEqual((await project.world()).rows, rows, 'the next recovery wrote rows');
  await assertTxid(project);
  const next = await run();
  assert.equal(next.exit, 0, `${next.code}: ${next.message}`);
  await assertIs(project, changed);
  await assertOnce(written, before);
  return { ended: `exit ${said.exit}${isSettled ? '' : ' (unfinished)'}`, ...packets };
}

/** A round whose connection held is no case. */
function assertCut(proxy: Proxy, plan: CutPlan): void {
  let planned = 0;
  for (let one: CutPlan | undefined = plan; one; one = one.next) planned += 1;
  assert.equal(proxy.cuts(), planned, `the connection was not cut: ${JSON.stringify(plan)}`);
}

/** By the transactions that were committed since the last change. */
async function assertOnce(written: Cutting['written'], before: number): Promise<void> {
  const once = { edit: 1, [`gone${before}`]: 1, [`gone${before + 1}`]: 1, [`name${before + 1}`]: 1 };
  assert.deepEqual(
    await written(),
    Object.fromEntries(Object.entries(once).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    'every row was written exactly once',
  );
}

function isChanged(side: Record<string, string>, changed: Record<string, string>, old: Record<string, string>): boolean {
  if (JSON.stringify(side) === JSON.stringify(changed)) return true;
  assert.deepEqual(side, old, 'a side is all old or all new');
  return false;
}

async function assertIs(project: Pages, world: World): Promise<void> {
  assert.deepEqual(await project.world(), world);
  assert.deepEqual(await baseOf(project), digestsOf(world.files));
  assert.equal(await intentOf(project), null);
  await assertTxid(project);
}
