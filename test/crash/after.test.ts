import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { createDatabase, createPages, createProject, pagesConfig } from '../helpers/project.ts';
import { addPages, at } from '../helpers/scenario.ts';
import { throughProxy } from './cutting.ts';
import { createPagesProject, type Pages, stepsOf, type World } from './pages.ts';
import { full, survived } from '../prove/cases.ts';
import { assertTxid, baseOf, digestsOf, filesOf, intentOf, onlyRecover, runHere, startRun } from './rig.ts';

const server = useMariadb();

interface Interrupted {
  project: Pages;
  old: World;
  changed: World;
}

/** An import that lost the server at COMMIT: its intent is kept, and only the database knows whether it was committed. */
async function importInDoubt(t: TestContext, how: 'lost' | 'delivered'): Promise<Interrupted> {
  const { project, proxy, run, commitOfBatch } = await throughProxy(t, (await server()).port);
  const plan = await commitOfBatch();
  const worlds = await project.change('import');
  proxy.cutAt({ ...plan, how, dead: true });
  const said = await run();
  assert.deepEqual([said.exit, said.code], [3, 'COMMIT_UNKNOWN']);
  await project.settledWorld();
  return { project, ...worlds };
}

/** An export killed when it had placed some of its files: a decided batch. */
async function exportHalfDone(t: TestContext): Promise<Interrupted> {
  const direction = 'export';
  const project = await createPagesProject(t, 'sqlite');
  const names = await stepsOf(project, direction);
  const worlds = await project.change(direction);
  // The last change of a name before the end of the batch is recorded and its kept files are removed.
  const killAt = 1 + names.findLastIndex((name) => name === 'link' || name === 'rename');
  assert.equal(await (await startRun(project, { request: { direction }, killAt })).go(), null);
  assert.notEqual(await intentOf(project), null);
  const { files } = await project.world();
  assert.ok(
    Object.keys(files).some((path) => path.endsWith('.new')) && Object.keys(files).some((path) => path.endsWith('.old')),
    Object.keys(files).join(' '),
  );
  return { project, ...worlds };
}

async function assertEnded({ project }: Interrupted, world: World): Promise<void> {
  assert.deepEqual(await project.world(), world);
  assert.equal(await intentOf(project), null);
  await assertTxid(project);
}

describe('a batch whose end is in doubt', () => {
  it('stops every run while the database is another one or an older one, and is settled when the right one is back', async (t) => {
    const doubt = await importInDoubt(t, 'delivered');
    const { project } = doubt;
    const other = await (await server()).createDatabase();
    await other.sql(
      'CREATE TABLE pages (id INT PRIMARY KEY, type VARCHAR(20) NOT NULL, lang VARCHAR(10) NOT NULL, slug VARCHAR(191) NOT NULL, body TEXT, note TEXT, updated_at INT NOT NULL DEFAULT 0)',
    );
    const [tree] = await project.db.sql("SELECT tree, txid FROM sync_run_tree WHERE tree <> ''");
    const before = await project.world();
    for (const direction of ['import', 'export', 'sync', 'undo'] as const) {
      const said = await runHere(project, { direction }, { ...project.env, SYNC_RUN_DATABASE_URL: other.url });
      assert.deepEqual([said.exit, said.code], [4, 'WRONG_TARGET'], 'another database');
    }
    assert.deepEqual(await other.sql('SELECT * FROM pages'), []);
    assert.deepEqual(await other.sql("SHOW TABLES LIKE 'sync%'"), []);
    // A dump from before the last two batches.
    await project.db.sql('UPDATE sync_run_tree SET txid = ? WHERE tree = ?', ['0'.repeat(32), String(tree?.tree)]);
    for (const direction of ['import', 'export', 'sync', 'undo'] as const) {
      const said = await runHere(project, { direction });
      assert.deepEqual([said.exit, said.code], [4, 'WRONG_TARGET'], 'an older database');
    }
    assert.deepEqual(await project.world(), before);
    assert.notEqual(await intentOf(project), null);

    await project.db.sql('UPDATE sync_run_tree SET txid = ? WHERE tree = ?', [String(tree?.txid), String(tree?.tree)]);
    assert.equal((await runHere(project, onlyRecover)).exit, 0);
    await assertEnded(doubt, doubt.changed);
    assert.deepEqual(await baseOf(project), digestsOf(doubt.changed.files));
    survived(t, { cases: 2, detail: 'another database, an older one' });
  });

  for (const how of ['delivered', 'lost'] as const) {
    it(`keeps files edited meanwhile, ${how === 'lost' ? 'not committed' : 'committed'}`, async (t) => {
      const doubt = await importInDoubt(t, how);
      const { project, old, changed } = doubt;
      await project.write(at('edit'), 'edited meanwhile\n');
      await project.repo.remove(at('redit'));
      const edited: Record<string, string> = { ...changed.files, [at('edit')]: 'edited meanwhile\n' };
      delete edited[at('redit')];
      assert.equal((await runHere(project, onlyRecover)).exit, 0);
      await assertEnded(doubt, { files: edited, rows: how === 'lost' ? old.rows : changed.rows });
      assert.equal((await runHere(project, { direction: 'import' })).exit, 0);
      await assertEnded(doubt, { files: edited, rows: edited });
    });

    it(`waits for trust, and does not need its configuration, ${how === 'lost' ? 'not committed' : 'committed'}`, async (t) => {
      const doubt = await importInDoubt(t, how);
      const { project, old, changed } = doubt;
      const moved = { ...pagesConfig, mappings: [{ ...pagesConfig.mappings[0], name: 'texts', path: 'texts/{lang}/{slug}.html' }] };
      await project.repo.write('sync-run.config.json', JSON.stringify(moved));
      const refused = await runHere(project, { direction: 'import' });
      assert.deepEqual([refused.exit, refused.code], [4, 'UNTRUSTED']);
      assert.notEqual(await intentOf(project), null);
      await project.configure(moved);
      assert.equal((await runHere(project, onlyRecover)).exit, 0);
      await assertEnded(doubt, { files: changed.files, rows: how === 'lost' ? old.rows : changed.rows });
    });
  }

  it('is forgotten with the state, and then nothing is known and nothing lost', async (t) => {
    for (const how of ['delivered', 'lost'] as const) {
      const { project, old, changed } = await importInDoubt(t, how);
      await rm(join(project.repo.path, '.git/sync-run'), { recursive: true });
      await project.configure(pagesConfig);
      const next = await runHere(project, { direction: 'import' });
      assert.equal(next.exit, how === 'lost' ? 1 : 0, next.message);
      const { files, rows } = await project.world();
      assert.deepEqual(files, changed.files);
      for (const [path, text] of Object.entries(how === 'lost' ? old.rows : changed.rows)) assert.equal(rows[path], text);
    }
    survived(t, { cases: 2 });
  });
});

describe('an export that was killed half way', () => {
  it('keeps what is edited before the next run, and names the conflicts', async (t) => {
    const half = await exportHalfDone(t);
    const { project, changed } = half;
    const mine = 'mine\n';
    const { rows } = project.age;
    // One it had replaced or was about to, one it had made or was about to, and one it deletes.
    for (const path of [at('redit'), at(`rgone${rows}`), at(`rgone${rows - 1}`)]) await project.write(path, mine);
    const next = await runHere(project, { direction: 'export' });
    assert.equal(next.exit, 1, next.message);
    const { files } = await project.world();
    assert.deepEqual(files, { ...changed.files, [at('redit')]: mine, [at(`rgone${rows}`)]: mine, [at(`rgone${rows - 1}`)]: mine });
    assert.deepEqual(await project.world().then((world) => world.rows), changed.rows);
    assert.equal(await intentOf(project), null);
    const again = await runHere(project, { direction: 'sync' });
    assert.deepEqual(Object.keys(await filesOf(project)), Object.keys(files));
    assert.equal((await project.world()).files[at('redit')], mine, again.message);
  });

  it('is finished under a configuration that moves its files, and then they move', async (t) => {
    const half = await exportHalfDone(t);
    const { project, changed } = half;
    await project.configure({ ...pagesConfig, mappings: [{ ...pagesConfig.mappings[0], path: 'texts/{lang}/{slug}.html' }] });
    assert.equal((await runHere(project, { direction: 'export', allowMassChange: true })).exit, 0);
    const moved = Object.fromEntries(Object.entries(changed.files).map(([path, text]) => [path.replace('/pages/', '/texts/'), text]));
    assert.deepEqual(await filesOf(project), moved);
    assert.equal(await intentOf(project), null);
  });

  it('leaves nothing of its own when the state is lost, and every text that somebody still has', async (t) => {
    const { project, old, changed } = await exportHalfDone(t);
    await rm(join(project.repo.path, '.git/sync-run'), { recursive: true });
    await project.configure(pagesConfig);
    const next = await runHere(project, { direction: 'export' });
    assert.ok(next.exit === 0 || next.exit === 1, next.message);
    const world = await project.world();
    assert.deepEqual(world.rows, changed.rows);
    for (const [path, text] of Object.entries(world.files)) assert.ok(text === old.files[path] || text === changed.files[path], path);
    for (const path of Object.keys(changed.files)) assert.ok(path in world.files, path);
  });
});

describe('an undo', () => {
  it('that is killed and asked for again takes back one batch, not two', async (t) => {
    let kills = 0;
    let finished = 0;
    const project = await createPagesProject(t, 'sqlite');
    await project.change('sync');
    assert.equal((await runHere(project, { direction: 'sync' })).exit, 0);
    for (let killAt = full ? 1 : 40, ended = false; !ended; killAt += full ? 3 : 9) {
      const before = await baseOf(project);
      await project.change('sync');
      assert.equal((await runHere(project, { direction: 'sync' })).exit, 0);
      ended = (await (await startRun(project, { request: { direction: 'undo' }, killAt })).go()) !== null;
      // One that had ended, but for saying so, is over: who asks again asks for another.
      ended ||= (await intentOf(project)) === null && JSON.stringify(await baseOf(project)) === JSON.stringify(before);
      if (ended) break;
      kills += 1;
      const again = await runHere(project, { direction: 'undo' });
      assert.equal(again.exit, 0, `killed before step ${killAt}: ${again.message} ${JSON.stringify(again.report)}`);
      assert.deepEqual(await baseOf(project), before, `killed before step ${killAt}`);
      if (again.report?.notices.some((notice) => notice.includes('cut short'))) finished += 1;
      assert.equal((await runHere(project, { direction: 'sync' })).exit, 0);
    }
    assert.ok(finished > 0, 'some were finished by recovery');
    survived(t, { cases: kills });
  });

  it('that is killed holds its items all the same once it is finished', async (t) => {
    let kills = 0;
    for (const engine of full ? (['sqlite', 'innodb'] as const) : (['sqlite'] as const)) {
      const project = await createPagesProject(t, engine);
      const undo = async (killAt: number): Promise<boolean> =>
        (await (await startRun(project, { request: { direction: 'undo' }, killAt })).go()) !== null;
      let ended = false;
      let finished = 0;
      for (let killAt = full ? 1 : 40; !ended; killAt += full ? 3 : 9) {
        await project.change('sync');
        assert.equal((await runHere(project, { direction: 'sync' })).exit, 0);
        const before = await baseOf(project);
        ended = await undo(killAt);
        if (!ended) kills += 1;
        assert.equal((await runHere(project, onlyRecover)).exit, 0);
        const isUndone = JSON.stringify(await baseOf(project)) !== JSON.stringify(before);
        const world = await project.world();
        // A hook that comes now must not carry over again what was just taken back.
        assert.equal((await runHere(project, { direction: 'sync', source: 'hook', command: 'hook' })).exit, 0);
        if (isUndone) assert.deepEqual(await project.world(), world, `killed before step ${killAt} on ${engine}`);
        if (isUndone && !ended) finished += 1;
        assert.equal((await runHere(project, { direction: 'sync' })).exit, 0);
      }
      assert.ok(finished > 0, 'some undos were finished by recovery');
    }
    survived(t, { cases: kills });
  });
});

it('the database of a first export that was cut short is known to whoever finishes it', async (t) => {
  const project = await createProject(t, { engine: 'sqlite' });
  await addPages(project.db, { home: 'home', about: 'about' });
  // Before the first step at which there is a batch.
  for (let killAt = 1; (await intentOf(project)) === null; killAt++) {
    const said = await (await startRun(project, { request: { direction: 'export' }, killAt })).go();
    assert.equal(said, null, 'the export was killed');
  }
  const other = await createDatabase('sqlite', project.repo.beside('other.db'));
  await createPages(other);
  await addPages(other, { home: 'another home', about: 'another about' });
  const said = await runHere(project, { direction: 'export' }, { ...project.env, SYNC_RUN_DATABASE_URL: other.url });
  assert.deepEqual([said.exit, said.code], [4, 'WRONG_TARGET'], said.message);
  assert.equal((await runHere(project, { direction: 'export' })).exit, 0);
  assert.deepEqual(await project.files(), { [at('about')]: 'about', [at('home')]: 'home' });
});
