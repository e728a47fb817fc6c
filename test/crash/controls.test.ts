import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { useMariadb } from '../helpers/mariadb.ts';
import { cutRound, lockWait, throughProxy } from './cutting.ts';
import { createPagesProject, crashRound, stepsOf } from './pages.ts';
import { runHere, source } from './rig.ts';

const server = useMariadb();
const top = new URL('../../', import.meta.url);

/** A copy of the source with one protection taken out. */
async function without(t: TestContext, file: string, protection: string, instead = ''): Promise<URL> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sync-run-control-')));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await cp(fileURLToPath(source), join(folder, 'src'), { recursive: true });
  await cp(fileURLToPath(new URL('package.json', top)), join(folder, 'package.json'));
  await symlink(fileURLToPath(new URL('node_modules', top)), join(folder, 'node_modules'));
  const path = join(folder, 'src', file);
  const text = await readFile(path, 'utf8');
  assert.equal(text.split(protection).length, 2, `"${protection}" stands once in ${file}`);
  await writeFile(
    path,
    text.replace(protection, () => instead),
  );
  return pathToFileURL(`${join(folder, 'src')}/`);
}

/** The rig notices: what is green with the source as it is fails an assertion. */
async function goesRed(work: Promise<unknown>, wanted: RegExp): Promise<void> {
  await assert.rejects(work, (error) => error instanceof assert.AssertionError && wanted.test(error.message));
}

describe('the rig goes red without', () => {
  it('the intent', async (t) => {
    const src = await without(t, 'runner/batch.ts', 'await state.begin(batch, kept(batch, texts));');
    const project = await createPagesProject(t, 'sqlite');
    const names = await stepsOf(project, 'export', src);
    const killAt = 1 + names.findLastIndex((name) => name === 'link' || name === 'rename');
    await goesRed(crashRound(project, { direction: 'export', killAt, src }), /all is old or all is new/);
  });

  it('the locking read', async (t) => {
    const src = await without(t, 'store/session.ts', 'treeTxid(sql, lock, tree)', "treeTxid(sql, raw(''), tree)");
    const cutting = await throughProxy(t, (await server()).port);
    const plan = await cutting.commitOfBatch();
    const meanwhile = async (): Promise<void> => {
      await cutting.proxy.cut();
      await lockWait(cutting.project);
      cutting.proxy.release();
    };
    await goesRed(cutRound(cutting, { ...plan, how: 'held' }, { meanwhile, src }), /exit 5 says that nothing was changed/);
  });

  it('the fence', async (t) => {
    const src = await without(t, 'runner/recovery.ts', 'await session.setTreeTxid(tree, fence);');
    const cutting = await throughProxy(t, (await server()).port);
    const plan = await cutting.commitOfBatch();
    await goesRed(cutRound(cutting, { ...plan, how: 'lost', dead: true }, { src }), /WRONG_TARGET/);
  });

  it('the look at the txid before', async (t) => {
    const src = await without(t, 'runner/recovery.ts', 'if (last !== batch.previousTxid) throw wrongTarget();');
    const { project, proxy, run, commitOfBatch } = await throughProxy(t, (await server()).port);
    const plan = await commitOfBatch();
    await project.change('import');
    proxy.cutAt({ ...plan, how: 'lost', dead: true });
    assert.equal((await run(src)).code, 'COMMIT_UNKNOWN');
    await project.settledWorld();
    await project.db.sql("UPDATE sync_run_tree SET txid = ? WHERE tree <> ''", ['0'.repeat(32)]);
    assert.notEqual((await runHere(project, { direction: 'import' }, src)).code, 'WRONG_TARGET');
  });
});
