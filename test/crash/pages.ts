import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import type { TestContext } from 'node:test';
import { digest } from '../../src/core/digest.ts';
import { createProject, type Database, type Engine, type Project } from '../helpers/project.ts';
import { addPages, at } from '../helpers/scenario.ts';
import { assertTxid, digestsOf, filesOf, historyOf, onlyRecover, runHere, type RunOptions, type Said, startRun, stateOf } from './rig.ts';

export type Direction = 'export' | 'import' | 'sync';

/** How often the files, and the rows, were changed. Each change edits one item, deletes one, adds one and renames one. */
export interface Age {
  files: number;
  rows: number;
}

/** Both sides as they are: files by path, rows by the path they belong to. */
export interface World {
  files: Record<string, string>;
  rows: Record<string, string>;
}

/** Where the items are that come and go. */
type Home = (slug: string) => string;

/** All in the folder of the others, or each in one of its own, which comes and goes with it. */
const together: Home = (slug) => at(slug);
const apart: Home = (slug) => at(slug, slug);

/** Six items, three that change on the side of the files and three on that of the rows. */
function texts({ files, rows }: Age, home: Home): Record<string, string> {
  return sorted([
    [at('edit'), `edit ${files}\n`],
    [home(`gone${files}`), `gone ${files}\n`],
    [at(`name${files}`), 'a text that moves with its file\n'],
    [at('redit'), `edit ${rows}\n`],
    [home(`rgone${rows}`), `row gone ${rows}\n`],
    [at(`rname${rows}`), 'a text that moves with its row\n'],
  ]);
}

function sorted(entries: readonly (readonly [path: string, text: string])[]): Record<string, string> {
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export interface Pages extends Project {
  age: Age;
  /** Changes the sides the direction carries over; the worlds before and after the run that follows. */
  change(direction: Direction): Promise<{ old: World; changed: World }>;
  world(): Promise<World>;
  /** The same, waiting for a transaction of a dying client to be over. */
  settledWorld(): Promise<World>;
}

export async function createPagesProject(t: TestContext, engine: Engine, options: PagesOptions = {}): Promise<Pages> {
  return withPages(await createProject(t, { engine }), options);
}

export interface PagesOptions {
  /** Whether the items that come and go have a folder each. */
  folders?: boolean;
}

/** The same in a project whose table of pages is empty. */
export async function withPages(project: Project, { folders = false }: PagesOptions = {}): Promise<Pages> {
  const { engine } = project.db;
  const { db } = project;
  const home = folders ? apart : together;
  for (const [path, text] of Object.entries(texts({ files: 0, rows: 0 }, home))) await addPage(db, path, text);
  await project.run('sync');
  // The first batch with rows makes the table of trees, which is not what is tried here.
  await project.write(at('edit'), 'edit -1\n');
  await project.run('sync');
  await project.write(at('edit'), 'edit 0\n');
  await project.run('sync');
  const age = { files: 0, rows: 0 };

  const rowsOf = async (tail: string): Promise<Record<string, string>> => {
    const rows = await db.sql(`SELECT lang, slug, body FROM pages ORDER BY slug${tail}`);
    return sorted(rows.map(({ lang, slug, body }) => [at(String(slug), String(lang)), String(body)]));
  };
  const world = async (): Promise<World> => ({ files: await filesOf(project), rows: await rowsOf('') });
  return Object.assign(project, {
    age,
    world,
    settledWorld: async () => ({ files: await filesOf(project), rows: await rowsOf(engine === 'sqlite' ? '' : ' LOCK IN SHARE MODE') }),
    async change(direction: Direction) {
      const next = { files: age.files + (direction === 'export' ? 0 : 1), rows: age.rows + (direction === 'import' ? 0 : 1) };
      if (next.files > age.files) {
        const { files } = next;
        await project.write(at('edit'), `edit ${files}\n`);
        const gone = home(`gone${age.files}`);
        await project.repo.remove(folders ? dirname(gone) : gone);
        await project.write(home(`gone${files}`), `gone ${files}\n`);
        await project.repo.move(at(`name${age.files}`), at(`name${files}`));
      }
      if (next.rows > age.rows) {
        const { rows } = next;
        await db.sql('UPDATE pages SET body = ? WHERE slug = ?', [`edit ${rows}\n`, 'redit']);
        await db.sql('DELETE FROM pages WHERE slug = ?', [`rgone${age.rows}`]);
        await addPage(db, home(`rgone${rows}`), `row gone ${rows}\n`);
        await db.sql('UPDATE pages SET slug = ? WHERE slug = ?', [`rname${rows}`, `rname${age.rows}`]);
      }
      const old = { files: texts({ ...age, files: next.files }, home), rows: texts({ ...age, rows: next.rows }, home) };
      assert.deepEqual(await world(), old);
      Object.assign(age, next);
      return { old, changed: { files: texts(next, home), rows: texts(next, home) } };
    },
  });
}

/** The steps of a run of this kind that nobody kills, once the first runs have set everything up. */
export async function stepsOf(project: Pages, direction: Direction): Promise<string[]> {
  let names: string[] = [];
  for (let i = 0; i < 2; i++) {
    await project.change(direction);
    const said = await (await startRun(project, { request: { direction }, killAt: Number.MAX_SAFE_INTEGER })).go();
    assert.equal(said?.exit, 0, said?.message);
    names = said?.names ?? [];
  }
  return names;
}

async function addPage(db: Database, path: string, text: string): Promise<void> {
  const [, , lang = '', file = ''] = path.split('/');
  await addPages(db, { [file.slice(0, -'.html'.length)]: text }, { lang });
}

function same(a: World, b: World): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export interface Round {
  direction: Direction;
  /** The step before which the run is killed. */
  killAt: number;
  /** The steps before which the runs after it are killed while they recover. */
  recoveries?: readonly number[];
  /** How the run, and each recovery, is killed if not by itself at a step. */
  run?: (options: RunOptions) => Promise<Said | null>;
  /** Whether a run after it also has to write nothing. */
  quiet?: boolean;
}

/** Where a kill hit: before the intent, between intent and the end of the batch, or not at all. */
export type Hit = 'before' | 'inside' | 'after' | 'missed';

/**
 * One change on each side, a run that is killed, recoveries that are killed, and a run that is not: whatever the moment, both
 * sides are all old or all new at every look, base and database agree with them, nothing is left behind, and the next run ends it.
 */
export async function crashRound(project: Pages, { direction, killAt, recoveries = [], run, quiet = false }: Round): Promise<Hit> {
  const { base: baseBefore } = await stateOf(project);
  const { old, changed } = await project.change(direction);
  const kill = run ?? (async (options: RunOptions) => (await startRun(project, options)).go());
  const said = await kill({ request: { direction }, killAt });
  const isRepairable = project.db.engine === 'myisam';
  if (!isRepairable) {
    const { rows } = await project.settledWorld();
    assert.ok(
      [old, changed].some((world) => JSON.stringify(world.rows) === JSON.stringify(rows)),
      `rows are mixed after the kill: ${JSON.stringify(rows)}`,
    );
  }
  if (said) {
    assert.equal(said.exit, 0, `${said.code}: ${said.message}`);
    assert.deepEqual(asTold(await project.world(), said), changed, 'a run that ended well did everything');
    await assertHistory(project, { old, changed });
  }
  const { intent } = await stateOf(project);
  for (const at of recoveries) await kill({ request: onlyRecover, killAt: at });

  const recovered = await runHere(project, onlyRecover);
  assert.equal(recovered.exit, 0, `${recovered.code}: ${recovered.message}`);
  const world = await project.world();
  const isOld = same(world, old);
  if (!isOld) assert.deepEqual(world, changed, 'all is old or all is new after recovery, and nothing else is there');
  const state = await stateOf(project);
  assert.deepEqual(state.base, isOld ? baseBefore : digestsOf(changed.files), 'the base is what both sides agree on');
  assert.equal(state.intent, null, 'no batch is unfinished after recovery');
  if (intent)
    assert.equal((await historyOf(project)).ends.get(intent), isOld ? 'void' : 'done', 'the history tells what became of the batch');
  await assertTxid(project);

  const last = await runHere(project, { direction });
  assert.equal(last.exit, 0, `${last.code}: ${last.message}`);
  assert.deepEqual(await project.world(), changed, 'the next run ends it');
  assert.deepEqual((await stateOf(project)).base, digestsOf(changed.files), 'the base is what the next run left');
  const [moved] = await project.db.sql('SELECT note FROM pages WHERE slug = ?', [`name${project.age.files}`]);
  assert.equal(moved?.note, 'kept', 'the renamed row kept its other columns');
  await assertHistory(project, { old, changed });
  if (quiet) {
    const mtimes = await project.mtimes();
    const again = await runHere(project, { direction: 'sync' });
    assert.deepEqual([again.exit, again.report?.txid], [0, null], 'a further run has nothing to do');
    assert.deepEqual([await project.mtimes(), await project.world()], [mtimes, changed]);
  }
  if (said) return 'missed';
  return intent ? 'inside' : isOld ? 'before' : 'after';
}

/** What is there but for the files a run says that it could not clear away. */
function asTold({ files, rows }: World, said: Said): World {
  if (!said.report?.notices.some((notice) => notice.includes('clearing up'))) return { files, rows };
  return { files: Object.fromEntries(Object.entries(files).filter(([path]) => !path.includes('/.sync-run-'))), rows };
}

/** What was replaced can be had back: the last batch that is done names each text that was there before it, and the history holds them all. */
async function assertHistory(project: Pages, { old, changed }: { old: World; changed: World }): Promise<void> {
  const { lastDone, texts } = await historyOf(project);
  const all = [old, changed].flatMap(({ files, rows }) => [...Object.values(files), ...Object.values(rows)]);
  for (const text of all) assert.equal(texts.get(digest(Buffer.from(text))), text, `"${text.trim()}" is in the history`);
  for (const side of ['files', 'rows'] as const) {
    const stayed = new Set(Object.values(changed[side]));
    const replaced = Object.values(old[side]).filter((text) => !stayed.has(text));
    for (const text of replaced)
      assert.ok(lastDone.includes(digest(Buffer.from(text))), `the last batch names "${text.trim()}", which it replaced`);
  }
}

/** How many kills there were, and how they hit; one that the run's end was faster than is none. */
export function counted(hits: readonly Hit[]): { cases: number; detail: string } {
  const cases = hits.filter((hit) => hit !== 'missed').length;
  assert.ok(cases > 0, 'some kills hit');
  const detail = [...Map.groupBy(hits, (hit) => hit)].map(([hit, { length }]) => `${length} ${hit}`).join(', ');
  return { cases, detail };
}
