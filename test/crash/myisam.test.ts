import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { useMariadb } from '../helpers/mariadb.ts';
import { createProject, type Project } from '../helpers/project.ts';
import { addPages, at, bodies, setBody } from '../helpers/scenario.ts';
import { full, survived } from '../prove/cases.ts';
import { baseOf, digestsOf, filesOf, intentOf, onlyRecover, runHere, startRun } from './rig.ts';

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
