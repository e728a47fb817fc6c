import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { useMariadb } from '../helpers/mariadb.ts';
import { createBigForum, type Digests, type Forum } from './forum.ts';
import { full, randomFrom, seed, survived } from '../prove/cases.ts';
import { assertTxid, baseOf, intentOf, onlyRecover, runHere, type RunChild, startRun, withState } from './rig.ts';

useMariadb();

const KILLS = full ? 15 : 5;
const request = { allowMassChange: true } as const;

/** Which of the two it is, item for item; fails if it is neither. */
function oneOf(found: Digests, old: Digests, changed: Digests, what: string): 'old' | 'new' {
  const paths = new Set([...Object.keys(found), ...Object.keys(old), ...Object.keys(changed)]);
  const count = (wanted: Digests): number => [...paths].filter((path) => found[path] === wanted[path]).length;
  if (count(old) === paths.size) return 'old';
  if (count(changed) === paths.size) return 'new';
  return assert.fail(`${what}: ${count(old)} old, ${count(changed)} new of ${paths.size}`);
}

/** Kills a run at a moment, which the run's end ends too; says how it ended if it did. */
async function killedRun(child: RunChild, moment: (over: () => boolean) => Promise<void>): Promise<{ exit: number } | null> {
  let over = false;
  const said = child.go().finally(() => (over = true));
  await moment(() => over);
  child.kill();
  return said;
}

type Moment = (over: () => boolean) => Promise<void>;

const after =
  (milliseconds: number): Moment =>
  async () =>
    setTimeout(milliseconds);

/** When something can be seen, by looking again and again. */
const once =
  (seen: () => Promise<boolean>): Moment =>
  async (over) => {
    while (!over() && !(await seen())) await setTimeout(1);
  };

const sizeOf = (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  );

/** Moments in every part of a run, however fast the machine is at the time: half of them by what can be seen, half by the clock. */
function momentsOf(forum: Forum, direction: 'export' | 'import', duration: number): Moment[] {
  const random = randomFrom(seed);
  const folders = [...new Set(Object.keys(forum.at(0)).map(dirname))];
  const inFolder = (ending: string): Moment => {
    const folder = join(forum.repo.path, folders[Math.floor(random() * folders.length)]!);
    return once(async () => (await readdir(folder).catch(() => [])).some((name) => name.endsWith(ending)));
  };
  const rowsWritten = (): Moment => {
    const part = random();
    if (forum.db.engine === 'sqlite') return once(async () => (await sizeOf(forum.repo.beside('forum.db-wal'))) > part * 2_000_000);
    const updated = async (): Promise<number> => Number((await forum.db.sql("SHOW GLOBAL STATUS LIKE 'Innodb_rows_updated'"))[0]?.Value);
    return async (over) => {
      const before = await updated();
      await once(async () => (await updated()) - before > part * 900)(over);
    };
  };
  const intent = (): Moment => once(async () => (await intentOf(forum)) !== null);
  const seen = direction === 'export' ? [() => inFolder('.new'), () => inFolder('.old')] : [intent, rowsWritten];
  return Array.from({ length: KILLS }, (_, n) => (n % 2 === 0 ? after(((n + random()) * duration) / KILLS) : seen[((n - 1) / 2) % 2]!()));
}

async function phase(forum: Forum): Promise<string> {
  const intent = await intentOf(forum);
  if (!intent) return 'no batch';
  const files = Object.keys(await forum.fileDigests()).filter((path) => /\.(?:new|old)$/.test(path));
  const kept = files.filter((path) => path.endsWith('.old')).length;
  if (kept > 0) return 'replacing files';
  return files.length > 0 ? 'staging files' : 'batch without files';
}

/** Brings the sides that a direction reads to the next age, and back to where both agree. */
async function tried(t: TestContext, engine: 'sqlite' | 'innodb', direction: 'export' | 'import'): Promise<void> {
  const forum = await createBigForum(t, engine);
  assert.equal((await runHere(forum, { direction: 'sync' })).exit, 0);
  // Makes the table of trees, so that no kill needs to be about that.
  await forum.writeFiles(1);
  assert.equal((await runHere(forum, { direction: 'sync', ...request })).exit, 0);
  const change = (age: number): Promise<void> => (direction === 'export' ? forum.writeRows(age) : forum.writeFiles(age));

  await change(2);
  const whole = await startRun(forum, { request: { direction, ...request } });
  const begun = performance.now();
  assert.equal((await whole.go())?.exit, 0);
  const duration = performance.now() - begun;
  const phases: string[] = [];
  let kills = 0;
  let child = await startRun(forum, { request: { direction, ...request } });
  t.after(() => child.kill());
  let agreed = 2;

  for (const [n, moment] of momentsOf(forum, direction, duration).entries()) {
    const age = n + 3;
    const [old, changed] = [forum.at(agreed), forum.at(age)];
    await change(age);
    const said = await killedRun(child, moment);
    const next = startRun(forum, { request: { direction, ...request } });
    if (said) assert.equal(said.exit, 0);
    else kills += 1;
    const rows = direction === 'import' ? oneOf(await forum.rowDigests(), old, changed, 'rows after the kill') : null;
    phases.push(said ? 'ended' : `${await phase(forum)}${rows ? `, rows ${rows}` : ''}`);

    // Half of the recoveries are killed as well.
    if (n % 2 === 1 && (await intentOf(forum))) {
      const recovery = await startRun(forum, { request: onlyRecover });
      const isKilled = (await killedRun(recovery, after((duration * n) / KILLS / 2))) === null;
      phases.push(`recovery ${isKilled ? 'killed' : 'ended'}`);
      if (isKilled) kills += 1;
    }
    const recovered = await runHere(forum, onlyRecover);
    assert.deepEqual([recovered.exit, recovered.code], [0, null], recovered.message);
    const [files, rowsNow] = [await forum.fileDigests(), await forum.rowDigests()];
    const [written, read] = direction === 'export' ? [files, rowsNow] : [rowsNow, files];
    const state = oneOf(written, old, changed, 'after recovery');
    assert.deepEqual(read, changed, 'the side that was read is as it was');
    if (rows) assert.equal(state, rows, 'recovery decides as the database did');
    if (said) assert.equal(state, 'new');
    assert.deepEqual(await baseOf(forum), state === 'old' ? old : changed, 'the base is what both sides agree on');
    assert.equal(await intentOf(forum), null);
    await assertTxid(forum);

    // Otherwise the next kill hits a run that has this one's work to do as well.
    if (state === 'new') agreed = age;
    if (state === 'old' && n % 3 === 0) {
      const last = await runHere(forum, { direction, ...request });
      assert.deepEqual([last.exit, last.code], [0, null], last.message);
      assert.deepEqual([await forum.fileDigests(), await forum.rowDigests(), await baseOf(forum)], [changed, changed, changed]);
      agreed = age;
    }
    child = await next;
  }
  child.kill();
  const newest = forum.at(2 + KILLS);
  assert.equal((await runHere(forum, { direction, ...request })).exit, 0);
  assert.deepEqual([await forum.fileDigests(), await forum.rowDigests(), await baseOf(forum)], [newest, newest, newest]);
  const mtimes = await forum.mtimes();
  const again = await runHere(forum, { direction: 'sync', ...request });
  assert.deepEqual([again.exit, again.report?.txid], [0, null], 'a further run has nothing to do');
  assert.deepEqual(await forum.mtimes(), mtimes);
  await withState(forum, async (state) => assert.ok((await state.history()).every(({ status }) => status !== 'pending')));
  const counted = [...Map.groupBy(phases, (one) => one)].map(([one, { length }]) => `${length} ${one}`);
  assert.ok(kills > 0, 'some kills came before the end');
  survived(t, { cases: kills, detail: `within ${Math.round(duration)} ms: ${counted.join('; ')}` });
}

for (const engine of ['sqlite', 'innodb'] as const) {
  describe(`981 items on ${engine}, killed at random moments`, () => {
    it('an export is all old or all new', (t) => tried(t, engine, 'export'));
    it('an import is all old or all new', (t) => tried(t, engine, 'import'));
  });
}
