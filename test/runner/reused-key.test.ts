import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createProject, done, nothing } from '../helpers/project.ts';
import { addPages, assertQuiet, at, rowOf } from '../helpers/scenario.ts';

it('a new row may get the primary key of one that the same batch deletes, and an undo gives it back', async (t) => {
  const project = await createProject(t, { engine: 'sqlite' });
  const { db } = project;
  await addPages(db, { first: 'first\n', last: 'last\n' });
  await project.run('sync');
  const last = await rowOf(db, 'last');

  await project.repo.remove(at('last'));
  await project.write(at('other'), 'other\n');
  const report = await project.run('import');
  assert.deepEqual(done(report), { ...nothing, rows: { ...nothing.rows, inserted: 1, deleted: 1 }, adopted: 0, conflicts: [] });
  assert.deepEqual(report.skipped, []);
  assert.equal((await rowOf(db, 'other'))?.id, last?.id, 'SQLite used the key again');
  assert.equal(await rowOf(db, 'last'), undefined);
  await assertQuiet(project);

  await project.undo();
  assert.deepEqual(await rowOf(db, 'last'), last);
  assert.equal(await rowOf(db, 'other'), undefined);

  await project.run('import');
  await project.write(at('last'), 'last\n');
  await project.write(at('third'), 'third\n');
  assert.deepEqual((await project.run('import')).skipped, [], 'a restored row whose key is taken by now gets another');
  assert.deepEqual({ ...(await rowOf(db, 'last')), id: last?.id }, last);
  await assertQuiet(project);
});
