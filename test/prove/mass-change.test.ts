import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import type { Source } from '../../src/core/batch.ts';
import type { Request } from '../../src/runner/request.ts';
import { createProject, type Project } from '../helpers/project.ts';
import { at, refusalOf } from '../helpers/scenario.ts';
import { memory } from '../helpers/scratch-tree.ts';
import { full, survived } from './cases.ts';

process.env.TMPDIR = memory();

const sources: readonly Source[] = ['cli', 'hook', 'watcher'];
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `p${String(index).padStart(2, '0')}`);

/** What happens to `count` of `of` items on one side; `carries` is the direction that would bring it to the other. */
type Loss = 'rows deleted' | 'database emptied' | 'files deleted' | 'folder emptied' | 'files untracked' | 'rows changed' | 'files changed';

/** The limit of the design, in words of its own: more than half and at least five or all of two or more; more than half and at least twenty. */
function isTooMuch(loss: Loss, source: Source, count: number, of: number): boolean {
  if (loss === 'files changed') return false; // what a person edited may always go to the rows
  if (loss === 'rows changed') return count >= 20 && count > of / 2;
  // A file that is gone without git's knowledge deletes no row but by a typed command.
  if (loss !== 'rows deleted' && loss !== 'database emptied' && loss !== 'files untracked' && source !== 'cli') return false;
  return (count >= 5 && count > of / 2) || (count >= 2 && count === of);
}

interface Case {
  loss: Loss;
  count: number;
  of: number;
}

const around = (loss: Loss): Case[] =>
  [
    { of: 1, counts: [1] },
    { of: 2, counts: [1, 2] },
    { of: 4, counts: [3, 4] },
    { of: 8, counts: [4, 5, 8] },
    { of: 9, counts: [4, 5, 9] },
    { of: 10, counts: [5, 6, 10] },
  ].flatMap(({ of, counts }) => counts.map((count) => ({ loss, of, count })));

const cases: readonly Case[] = [
  ...around('rows deleted'),
  ...around('files deleted'),
  ...around('files untracked'),
  ...[3, 9].flatMap((of): Case[] => [
    { loss: 'database emptied', of, count: of },
    { loss: 'folder emptied', of, count: of },
  ]),
  ...[
    [19, 19],
    [20, 20],
    [39, 19],
    [39, 20],
    [40, 20],
    [40, 21],
  ].flatMap(([of = 0, count = 0]): Case[] => [
    { loss: 'rows changed', of, count },
    { loss: 'files changed', of, count },
  ]),
];
/** The quick run takes those at the limit itself, where a limit left out or moved shows. */
const chosen = full ? cases : cases.filter(({ of, loss }) => of === 9 || (of === 2 && loss === 'rows deleted') || of === 39);

async function lose(project: Project, { loss, count }: Case): Promise<void> {
  const { repo, db } = project;
  if (loss === 'database emptied') return void (await db.sql('DELETE FROM pages'));
  if (loss === 'folder emptied') return rm(join(repo.path, 'db'), { recursive: true });
  for (const name of names(count)) {
    if (loss === 'rows deleted') await db.sql('DELETE FROM pages WHERE slug = ?', [name]);
    else if (loss === 'rows changed') await db.sql('UPDATE pages SET body = ? WHERE slug = ?', [`${name} by the panel`, name]);
    else if (loss === 'files changed') await project.write(at(name), `${name} by an editor`);
    else await repo.remove(at(name));
  }
  if (loss === 'files untracked') await repo.git('add', '--all', 'db');
}

interface World {
  files: Record<string, string>;
  rows: Record<string, unknown>[];
  mtimes: Record<string, bigint>;
}

const look = async (project: Project): Promise<World> => ({
  files: await project.files(),
  rows: await project.db.sql('SELECT * FROM pages ORDER BY id'),
  mtimes: await project.mtimes(),
});

async function begin(t: TestContext, of: number): Promise<Project> {
  const project = await createProject(t, { engine: 'sqlite' });
  for (const name of names(of)) await project.write(at(name), `text of ${name}`);
  await project.run('sync');
  await project.repo.commit('All');
  await project.run('sync');
  return project;
}

/** Tries one source; whether it stopped. Where it has to, nothing may have moved. */
async function tries(project: Project, one: Case, source: Source, before: World): Promise<boolean> {
  const { loss, count, of } = one;
  const where = `${count} of ${of} ${loss}, by ${source}`;
  const direction = loss.startsWith('rows') || loss === 'database emptied' ? 'export' : 'import';
  const request: Partial<Request> = { source };
  if (!isTooMuch(loss, source, count, of)) return false;
  for (const wanted of source === 'cli' ? ([direction, 'sync'] as const) : ([direction] as const)) {
    const error = await refusalOf(project.run(wanted, request)).catch((cause: Error) =>
      assert.fail(`${where}: a mass change did not stop (${cause.message})`),
    );
    assert.deepEqual([error.code, error.exitCode], ['MASS_CHANGE', 4], `${where}: the code of the refusal`);
    const listed = error.details.join('\n');
    assert.ok(listed.includes(`${count} of ${of}`), `${where}: the refusal counts, it says "${listed}"`);
    assert.ok(listed.includes(at('p00')), `${where}: the refusal lists the paths, it says "${listed}"`);
    assert.match(error.hint ?? '', /--allow-mass-change/, `${where}: the refusal names the flag`);
    assert.deepEqual(await look(project), before, `${where}: a refused batch changed something`);
    assert.equal((await project.with(({ state }) => state.intent())) === null, true, `${where}: a refused batch left an intent`);
  }
  return true;
}

for (const loss of new Set(chosen.map((one) => one.loss))) {
  it(`${loss}: stops above the limit whoever asks, changes nothing, and goes through with a yes`, async (t) => {
    let count = 0;
    for (const one of chosen.filter((other) => other.loss === loss)) {
      const project = await begin(t, one.of);
      await lose(project, one);
      const before = await look(project);
      let stopped = false;
      for (const source of sources) {
        count += 1;
        stopped = (await tries(project, one, source, before)) || stopped;
      }
      await passes(project, one, stopped, before);
    }
    survived(t, { cases: count, of: cases.filter((other) => other.loss === loss).length * sources.length });
  });
}

/** Below the limit without a word, above it with one. */
async function passes(project: Project, { loss, count, of }: Case, stopped: boolean, before: World): Promise<void> {
  const where = `${count} of ${of} ${loss}`;
  const report = await project
    .run('sync', { allowMassChange: stopped })
    .catch((error: Error) =>
      assert.fail(`${where}: stopped although ${stopped ? 'it was allowed' : 'it is below the limit'}: ${error.message}`),
    );
  const { files, rows } = report;
  const moved = {
    'rows deleted': files.deleted,
    'database emptied': files.deleted,
    'rows changed': files.written,
    'files changed': rows.written,
  }[loss as 'rows deleted'];
  assert.equal(moved ?? rows.deleted, count, `${where}: what was allowed was done`);
  const after = await look(project);
  const left = loss.endsWith('changed') ? of : of - count;
  assert.deepEqual([Object.keys(after.files).length, after.rows.length], [left, left], `${where}: what was not lost is still there`);
  assert.notDeepEqual(after, before, `${where}: something was done`);
}
