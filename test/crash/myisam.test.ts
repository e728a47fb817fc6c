import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { createProject, type Project } from '../helpers/project.ts';
import { addPages, at, bodies, setBody } from '../helpers/scenario.ts';
import { full, sample, seed, survived } from '../prove/cases.ts';
import { baseOf, digestsOf, filesOf, intentOf, onlyRecover, runHere, type RunOptions, startRun } from './rig.ts';

useMariadb();

const slugs = Array.from({ length: 50 }, (_, n) => `page${String(n).padStart(2, '0')}`);
const textsOf = (age: number): Record<string, string> => Object.fromEntries(slugs.map((slug) => [slug, `${slug} at ${age}\n`]));
const filesAt = (age: number): Record<string, string> =>
  Object.fromEntries(Object.entries(textsOf(age)).map(([slug, text]) => [at(slug), text]));

/** Fifty pages on MyISAM, and an import of all of them that is killed when part of the rows are written. */
async function interrupted(
  t: TestContext,
): Promise<{ project: Project; kill(age: number, part: number): Promise<{ written: string[]; left: string[] }> }> {
  const project = await createProject(t, { engine: 'myisam' });
  await addPages(project.db, textsOf(0));
  await project.run('sync');
  const change = async (age: number): Promise<void> => {
    for (const [path, text] of Object.entries(filesAt(age))) await project.write(path, text);
  };
  await change(1);
  assert.equal((await runHere(project, { direction: 'import' })).exit, 0);
  // The first import of a tree makes the table of trees as well.
  await change(2);
  const whole = await (await startRun(project, { request: { direction: 'import' }, killAt: Number.MAX_SAFE_INTEGER })).go();
  assert.equal(whole?.exit, 0, whole?.message);
  // Rows are what most of the packets are about, and the last of them.
  const packets = whole.names.flatMap((name, index) => (name === 'write' ? [index + 1] : []));
  return {
    project,
    async kill(age, part) {
      await change(age);
      const killAt = packets[packets.length - Math.round((1 - part) * 100)] ?? 0;
      const said = await (await startRun(project, { request: { direction: 'import' }, killAt })).go();
      assert.equal(said, null, 'it was killed');
      const rows = await bodies(project.db);
      const written = slugs.filter((slug) => rows[slug] === textsOf(age)[slug]);
      const left = slugs.filter((slug) => rows[slug] === textsOf(age - 1)[slug]);
      assert.equal(written.length + left.length, slugs.length);
      return { written, left };
    },
  };
}

it('an import without transactions that is killed after some rows is completed by the next run', async (t) => {
  const { project, kill } = await interrupted(t);
  let age = 3;
  const parts = full ? Array.from({ length: 40 }, (_, n) => n / 41) : [0, 0.2, 0.5, 0.8, 0.97];
  for (const part of parts) {
    const { written, left } = await kill(age, part);
    if (part > 0.1 && part < 0.9) assert.ok(written.length > 0 && left.length > 0, `${written.length} of 50 rows were written`);
    assert.notEqual(await intentOf(project), null);
    const recovered = await runHere(project, onlyRecover);
    assert.equal(recovered.exit, 0, recovered.message);
    assert.deepEqual(await bodies(project.db), textsOf(age));
    assert.deepEqual(await baseOf(project), digestsOf(filesAt(age)));
    assert.equal((await runHere(project, { direction: 'sync' })).report?.txid, null, 'nothing is left to do');
    age += 1;
  }
  survived(t, { cases: parts.length });
});

it('what somebody edits between such a crash and the next run is kept, and the rows that collide are conflicts', async (t) => {
  const { project, kill } = await interrupted(t);
  const { written, left } = await kill(3, 0.5);
  await setBody(project.db, written[0]!, 'a row edited after it was written\n');
  await setBody(project.db, left[0]!, 'a row edited before it was written\n');
  await project.write(at(left[1]!), 'a file edited meanwhile\n');
  await project.write(at(written[1]!), 'another file edited meanwhile\n');
  await project.db.sql('DELETE FROM pages WHERE slug = ?', [left[2]!]);

  const next = await runHere(project, { direction: 'import' });
  assert.equal(next.exit, 1, next.message);
  const named = ((next.report?.conflicts ?? []) as { path: string }[]).map(({ path }) => path).toSorted();
  const after = await bodies(project.db);
  const expected: Record<string, string> = {
    ...textsOf(3),
    [written[0]!]: 'a row edited after it was written\n',
    [left[0]!]: 'a row edited before it was written\n',
    [left[1]!]: 'a file edited meanwhile\n',
    [written[1]!]: 'another file edited meanwhile\n',
  };
  delete expected[left[2]!];
  assert.deepEqual(after, expected, 'a row that somebody edited is not overwritten');
  const files = { ...filesAt(3), [at(left[1]!)]: 'a file edited meanwhile\n', [at(written[1]!)]: 'another file edited meanwhile\n' };
  assert.deepEqual(await filesOf(project), files);
  assert.deepEqual(named, [at(written[0]!), at(left[0]!), at(left[2]!)].toSorted());
  assert.equal(await intentOf(project), null);
  survived(t, { cases: 1 });
});

it('such a batch is not given up by a configuration that no longer has its table', async (t) => {
  const { project, kill } = await interrupted(t);
  const config = await project.read('sync-run.config.json');
  const { left } = await kill(3, 0.5);
  await project.db.sql('CREATE TABLE others (id INT PRIMARY KEY, slug VARCHAR(50) NOT NULL UNIQUE, body TEXT) ENGINE=MyISAM');
  await project.configure({ root: 'db', mappings: [{ name: 'pages', table: 'others', path: 'pages/en/{slug}.html', content: 'body' }] });
  const before = await bodies(project.db);
  const refused = await runHere(project, { direction: 'import' });
  assert.deepEqual([refused.exit, refused.code], [2, 'CONFIG'], refused.message);
  assert.match(refused.message, /"pages"/);
  assert.deepEqual(await bodies(project.db), before);
  assert.notEqual(await intentOf(project), null, 'the batch waits');

  await project.configure(JSON.parse(config));
  assert.equal((await runHere(project, onlyRecover)).exit, 0);
  assert.equal((await bodies(project.db))[left[0]!], textsOf(3)[left[0]!]);
  survived(t, { cases: 1 });
});

/** Files of a batch of every kind: edits, additions, deletions and renames; and two that stay, whose rows swap names. */
const mixedAt = (age: number): Record<string, string> =>
  Object.fromEntries(
    [
      ...['edit1', 'edit2', 'edit3'].map((slug) => [at(slug), `${slug} at ${age}\n`] as const),
      ...['a', 'b', 'c'].map((slug) => [at(`new-${slug}-${age}`), `${slug} is new at ${age}\n`] as const),
      ...['one', 'two'].map((slug) => [at(`name-${slug}-${age}`), `${slug} moves\n`] as const),
      ...['left', 'right'].map((slug) => [at(slug), `${slug} stays\n`] as const),
    ].toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );

const settle: RunOptions['request'] = { direction: 'sync', command: 'resolve', settle: 'file', paths: ['db'], allowMassChange: true };

it('a batch of insertions, deletions, renames and swapped names that is killed between its rows is completed by the next run', async (t) => {
  const project = await createProject(t, { engine: 'myisam' });
  const { db, repo } = project;
  await db.sql('CREATE UNIQUE INDEX by_key ON pages (lang, slug)');
  for (const [path, text] of Object.entries(mixedAt(0))) await project.write(path, text);
  assert.equal((await runHere(project, { direction: 'import' })).exit, 0);
  const idsOf = async (): Promise<Record<string, unknown>> => {
    const rows = await db.sql("SELECT id, slug FROM pages WHERE slug LIKE 'name%' OR slug IN ('left', 'right') ORDER BY id");
    return Object.fromEntries(rows.map(({ id, slug }) => [String(slug).replace(/-\d+$/, ''), id]));
  };
  const ids = await idsOf();
  let age = 0;
  const change = async (): Promise<void> => {
    const [before, after] = [mixedAt(age), mixedAt((age += 1))];
    for (const slug of ['one', 'two']) await repo.move(at(`name-${slug}-${age - 1}`), at(`name-${slug}-${age}`));
    for (const path of Object.keys(before)) if (!(path in after) && path.includes('/new-')) await repo.remove(path);
    for (const [path, text] of Object.entries(after)) if (!path.includes('/name-')) await project.write(path, text);
    const swap = [
      ['left', 'x'],
      ['right', 'left'],
      ['x', 'right'],
    ] as const;
    for (const [from, to] of swap) await db.sql('UPDATE pages SET slug = ? WHERE slug = ?', [to, from]);
  };
  const rowsAsFiles = async (): Promise<Record<string, unknown>> =>
    Object.fromEntries(
      Object.entries(await bodies(db))
        .map(([slug, body]) => [at(slug), body] as const)
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    );
  const assertNew = async (when: string): Promise<void> => {
    assert.deepEqual(await rowsAsFiles(), mixedAt(age), `${when}: the rows are all new`);
    assert.deepEqual(await filesOf(project), mixedAt(age), `${when}: the files are as they were`);
    assert.deepEqual(await idsOf(), ids, `${when}: rows that moved are still the same rows`);
    assert.deepEqual(await baseOf(project), digestsOf(mixedAt(age)), `${when}: the base is what both sides hold`);
    assert.equal(await intentOf(project), null, `${when}: the batch is ended`);
  };
  await change();
  const whole = await (await startRun(project, { request: settle, killAt: Number.MAX_SAFE_INTEGER })).go();
  assert.equal(whole?.exit, 0, `unharmed: ${whole?.message} ${JSON.stringify(whole?.report)}`);
  await assertNew('unharmed');
  const packets = whole.names.flatMap((name, index) => (name === 'write' ? [index + 1] : []));
  const seen = { before: 0, inside: 0, mixed: 0, aside: 0 };
  // Before the middle nothing but reading is done. The names are swapped in eight packets, so that every eighth is the least.
  const half = Math.ceil(packets.length / 2);
  const kills = sample(half, 9, 18).map((n) => packets[packets.length - half + n - 1]!);
  for (const killAt of kills) {
    await change();
    const old = await rowsAsFiles();
    const when = `killed before step ${killAt}, seed ${seed}`;
    assert.equal(await (await startRun(project, { request: settle, killAt })).go(), null, `${when}: it was killed`);
    const isInside = (await intentOf(project)) !== null;
    const rows = await rowsAsFiles();
    seen[isInside ? 'inside' : 'before'] += 1;
    if (JSON.stringify(rows) !== JSON.stringify(old) && JSON.stringify(rows) !== JSON.stringify(mixedAt(age))) seen.mixed += 1;
    // One of the two that swap names waits under another one.
    if (Object.keys(rows).some((path) => path.includes('/~'))) seen.aside += 1;
    const recovered = await runHere(project, onlyRecover);
    assert.equal(recovered.exit, 0, `${when}: ${recovered.message} ${JSON.stringify(recovered.report)}`);
    if (!isInside) {
      assert.deepEqual(await rowsAsFiles(), old, `${when}: nothing was begun`);
      assert.equal((await runHere(project, settle)).exit, 0, when);
    }
    await assertNew(when);
    assert.equal((await runHere(project, { direction: 'sync' })).report?.txid, null, `${when}: nothing is left to do`);
  }
  assert.ok(seen.mixed >= kills.length / 2, `most kills leave some rows old and some new: ${JSON.stringify(seen)}`);
  assert.ok(seen.aside > 0, `one leaves a row under the name it waits under: ${JSON.stringify(seen)}`);
  survived(t, { cases: kills.length, of: half, detail: JSON.stringify(seen) });
});
