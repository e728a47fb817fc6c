import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createProject, type Project } from '../helpers/project.ts';
import { type Pages, withPages, type World } from './pages.ts';
import { type CutPlan, type Proxy, startProxy } from './proxy.ts';
import { assertTxid, baseOf, digestsOf, intentOf, runHere, type Said } from './rig.ts';

export interface Cutting {
  project: Pages;
  proxy: Proxy;
  /** Where the database is reached through the proxy. */
  env: Record<string, string>;
  /** An import whose connection leads through the proxy. */
  run(): Promise<Pick<Said, 'exit' | 'code' | 'message' | 'report'>>;
  /** Which of the client's COMMIT statements is that of the batch, as others end a look. */
  commitOfBatch(): Promise<Omit<CutPlan, 'how'>>;
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
  const run = () => runHere(project, { direction: 'import' }, env);
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
  const once = { edit: 1, [`gone${before}`]: 1, [`gone${before + 1}`]: 1, [`name${before + 1}`]: 1 };
  assert.deepEqual(
    await written(),
    Object.fromEntries(Object.entries(once).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    'every row was written exactly once',
  );
  return `exit ${said.exit}${intent ? ` (${isNew ? 'committed' : 'not committed'})` : ''}`;
}

function isChanged(rows: Record<string, string>, changed: Record<string, string>, old: Record<string, string>): boolean {
  if (JSON.stringify(rows) === JSON.stringify(changed)) return true;
  assert.deepEqual(rows, old, 'rows are all old or all new');
  return false;
}

async function assertIs(project: Pages, world: World): Promise<void> {
  assert.deepEqual(await project.world(), world);
  assert.deepEqual(await baseOf(project), digestsOf(world.files));
  assert.equal(await intentOf(project), null);
  await assertTxid(project);
}
