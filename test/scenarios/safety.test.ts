import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createProject, done, exitOf, nothing, pagesConfig, type Project } from '../helpers/project.ts';
import { addPages, assertQuiet, at, bodies, refusalOf, setBody, skips } from '../helpers/scenario.ts';

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `p${String(index).padStart(2, '0')}`);

async function pages(t: TestContext, count: number, config: object = pagesConfig): Promise<Project> {
  const project = await createProject(t, { engine: 'sqlite', config });
  await addPages(project.db, Object.fromEntries(names(count).map((name) => [name, `text of ${name}`])));
  await project.run('sync');
  return project;
}

describe('git clean -fd', () => {
  it('deletes no row by itself; a typed sync stops at the mass, and resolve brings the files back', async (t) => {
    const project = await pages(t, 6);
    const before = { files: await project.files(), rows: await project.db.sql('SELECT * FROM pages') };
    await project.repo.git('add', 'sync-run.config.json');
    await project.repo.git('clean', '-fdq');
    assert.deepEqual(await project.files(), {});
    for (const source of ['hook', 'watcher'] as const) {
      const report = await project.run('import', { source });
      assert.deepEqual(done(report), { ...nothing, adopted: 0, conflicts: [] });
    }
    const status = await project.status();
    assert.deepEqual([status.missing.length, status.conflicts, status.files], [6, [], []]);
    for (const direction of ['sync', 'import'] as const) {
      const error = await refusalOf(project.run(direction));
      assert.deepEqual([error.code, error.exitCode], ['MASS_CHANGE', 4]);
      assert.match(error.details.join('\n'), /delete rows: 6 of 6[^]*p00\.html/);
      assert.match(error.hint ?? '', /--allow-mass-change/);
    }
    assert.deepEqual(await project.db.sql('SELECT * FROM pages'), before.rows);
    assert.deepEqual(
      done(await project.run('export')),
      { ...nothing, adopted: 0, conflicts: [] },
      'an export undoes no deletion by itself',
    );
    const back = await project.resolve('row', 'db');
    assert.deepEqual([exitOf(back), back.files.written], [0, 6]);
    assert.deepEqual({ files: await project.files(), rows: await project.db.sql('SELECT * FROM pages') }, before);
    await assertQuiet(project);
  });

  it('is carried over where somebody insists, and can be taken back', async (t) => {
    const project = await pages(t, 6);
    const rows = await project.db.sql('SELECT * FROM pages');
    await rm(join(project.repo.path, 'db'), { recursive: true });
    const report = await project.run('sync', { allowMassChange: true });
    assert.equal(report.rows.deleted, 6);
    await project.undo();
    assert.deepEqual(await project.db.sql('SELECT * FROM pages'), rows);
    assert.equal((await project.status()).held.length + (await project.status()).missing.length, 6);
  });
});

describe('what counts as a mass', () => {
  /** items, gone on one side, whether the batch stops. */
  const limits = [
    [1, 1, false],
    [2, 2, true],
    [4, 3, false],
    [9, 5, true],
    [10, 5, false],
  ] as const;
  for (const [items, gone, stopped] of limits) {
    it(`${gone} of ${items} deleted ${stopped ? 'stops' : 'passes'}, on either side`, async (t) => {
      const project = await pages(t, items);
      const doomed = names(gone);
      for (const name of doomed) await project.db.sql('DELETE FROM pages WHERE slug = ?', [name]);
      const check = async (direction: 'export' | 'import') => {
        if (stopped) assert.equal((await refusalOf(project.run(direction))).code, 'MASS_CHANGE');
        const { files, rows } = await project.run(direction, { allowMassChange: stopped });
        assert.deepEqual(direction === 'export' ? [files.deleted, rows.deleted] : [rows.deleted, files.deleted], [gone, 0]);
      };
      await check('export');
      await project.undo();
      await project.run('sync', { prefer: 'row', allowMassChange: true });
      await addPages(project.db, Object.fromEntries(doomed.map((name) => [name, 'back'])));
      await project.run('sync', { allowMassChange: true });
      for (const name of doomed) await project.repo.remove(at(name));
      await check('import');
    });
  }

  it('20 of 39 overwritten files stop, 20 of 40 and 19 of 19 pass', async (t) => {
    for (const [items, edited, stopped] of [
      [39, 20, true],
      [40, 20, false],
      [19, 19, false],
    ] as const) {
      const project = await pages(t, items);
      for (const name of names(edited)) await setBody(project.db, name, 'edited in the panel');
      if (stopped) {
        assert.equal((await refusalOf(project.run('export'))).code, 'MASS_CHANGE');
        assert.equal(await project.read(at('p00')), 'text of p00');
      }
      assert.equal((await project.run('export', { allowMassChange: stopped })).files.written, edited);
    }
  });

  it('is judged against the whole mapping, not against the paths that were named', async (t) => {
    const project = await pages(t, 8);
    const doomed = [at('p00'), at('p01')];
    for (const path of doomed) await project.repo.remove(path);
    assert.equal((await project.run('sync', { paths: doomed })).rows.deleted, 2);
    await assertQuiet(project);
  });

  it('leaves out what the checked-out commit itself lacks', async (t) => {
    const project = await pages(t, 6);
    await project.repo.commit('All');
    await project.run('sync');
    await project.repo.git('rm', '-rq', 'db');
    await project.repo.git('commit', '--quiet', '--message', 'None');
    const report = await project.run('sync');
    assert.equal(report.rows.deleted, 6, 'the commit says so');
    await project.repo.git('switch', '--quiet', '--detach', 'HEAD~1');
    assert.equal((await project.run('sync')).rows.inserted, 6);
    await assertQuiet(project);
  });

  it('one side suddenly empty stops, also when only conflicts would be settled by it', async (t) => {
    const project = await pages(t, 3);
    await project.db.sql('DELETE FROM pages');
    const error = await refusalOf(project.run('sync'));
    assert.deepEqual([error.code, error.exitCode], ['MASS_CHANGE', 4]);
    for (const name of names(3)) await project.write(at(name), 'edited here');
    const report = await project.run('sync');
    assert.equal(report.conflicts.length, 3);
    assert.equal((await refusalOf(project.run('sync', { prefer: 'row' }))).code, 'MASS_CHANGE');
    assert.equal(Object.keys(await project.files()).length, 3);
  });
});

describe('an emptied text', () => {
  it('is refused in both directions until it is allowed or settled', async (t) => {
    const project = await pages(t, 3);
    await project.write(at('p00'), '');
    await setBody(project.db, 'p01', '');
    const report = await project.run('sync');
    assert.deepEqual(skips(report), { [at('p00')]: 'EMPTY', [at('p01')]: 'EMPTY' }, 'an emptied text is named on either side');
    assert.equal(exitOf(report), 1);
    assert.equal((await bodies(project.db)).p00, 'text of p00');
    assert.equal(await project.read(at('p01')), 'text of p01');
    await project.resolve('file', at('p00'));
    assert.equal((await bodies(project.db)).p00, '');
    await project.configure({ ...pagesConfig, mappings: [{ ...pagesConfig.mappings[0], empty: 'allow' }] });
    await project.run('sync');
    assert.equal(await project.read(at('p01')), '');
    await assertQuiet(project);
  });
});
