import assert from 'node:assert/strict';
import { it } from 'node:test';
import { addPages, at, bodies } from '../helpers/scenario.ts';
import { createProject } from '../helpers/project.ts';

it('a row that a commit on a branch brought leaves with the branch, though no batch saw that commit', async (t) => {
  const project = await createProject(t, { engine: 'sqlite' });
  const { repo, db } = project;
  await addPages(db, { a: 'A', b: 'B', c: 'C' });
  await project.run('sync');
  await repo.commit('Start');
  await repo.git('switch', '--quiet', '--create', 'branch');
  await project.run('import', { source: 'hook' }); // what post-checkout does: the base knows this commit
  await project.write(at('d'), 'D');
  await repo.git('add', '--all');
  await project.run('import', { source: 'hook', paths: [at('d')] }); // what pre-commit does
  await repo.git('commit', '--quiet', '--message', 'Add d');
  assert.deepEqual(await bodies(db), { a: 'A', b: 'B', c: 'C', d: 'D' });

  await repo.git('switch', '--quiet', 'main');
  const report = await project.run('import', { source: 'hook' });
  assert.equal(report.rows.deleted, 1);
  assert.deepEqual(await bodies(db), { a: 'A', b: 'B', c: 'C' });

  await repo.git('switch', '--quiet', 'branch');
  await project.run('import', { source: 'hook' });
  assert.deepEqual(await bodies(db), { a: 'A', b: 'B', c: 'C', d: 'D' });
});

it('a file that only the working tree lost keeps its row, though an older commit without it was visited before', async (t) => {
  const project = await createProject(t, { engine: 'sqlite' });
  const { repo, db } = project;
  await addPages(db, { a: 'A', b: 'B' });
  await project.run('sync');
  await repo.git('add', at('a'));
  await repo.git('commit', '--quiet', '--message', 'Only a');
  await project.run('import', { source: 'hook' });
  await repo.git('clean', '--quiet', '-fd', 'db'); // takes b, which git never knew
  const report = await project.run('import', { source: 'hook' });
  assert.equal(report.rows.deleted, 0);
  assert.deepEqual(await bodies(db), { a: 'A', b: 'B' });
  assert.deepEqual((await project.status()).missing, [at('b')]);
});
