import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { glob, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isRig } from './helpers/rig-folders.ts';
import { casesIn } from './prove/cases.ts';
import { mutants } from './prove/mutants.ts';
import { mutated } from './prove/mutate.ts';
import { promises } from './prove/promises.ts';
import type { Outcome } from './prove/run-rig.ts';
import { summary } from './prove/table.ts';

const top = fileURLToPath(new URL('..', import.meta.url));

async function testFiles(): Promise<Set<string>> {
  const files = new Set<string>();
  for await (const path of glob('test/**/*.test.ts', { cwd: top })) files.add(path.split(sep).join('/'));
  return files;
}

test('every rig is a file of tests, and no file of a rig folder is forgotten', async () => {
  const files = await testFiles();
  const named = new Set(promises.flatMap(({ rigs }) => rigs.map(({ file }) => file)));
  assert.deepEqual(
    [...named].filter((file) => !files.has(file)),
    [],
  );
  assert.deepEqual(
    [...files].filter((file) => isRig(file) && !named.has(file)),
    [],
  );
});

test('every mutant fits the source, and belongs to a promise with its rig', async () => {
  const files = await testFiles();
  for (const mutant of mutants) {
    assert.ok(files.has(mutant.rig), mutant.rig);
    assert.ok(
      promises.some(({ id }) => id === mutant.promise),
      mutant.name,
    );
    for (const [file, text] of await mutated(top, mutant)) assert.ok(text.length > 0, join(top, file));
  }
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length, 'names are told apart');
  assert.ok(mutants.length > 10, `${mutants.length} mutants`);
});

test('a mutant whose text is gone, or stands twice, is an error', async () => {
  const [mutant] = mutants;
  assert.ok(mutant);
  await assert.rejects(mutated(top, { ...mutant, find: 'no such text anywhere' }), /stands 0 times/);
  await assert.rejects(mutated(top, { ...mutant, find: '\n' }), /stands \d+ times/);
});

test('what a rig says is counted', () => {
  assert.deepEqual(casesIn('survived 12 cases; seed 7'), { cases: 12, seed: 7 });
  assert.deepEqual(casesIn('survived 12 of 90 cases: 3 × "a; b"; seed 7'), { cases: 12, seed: 7 });
  assert.equal(casesIn('12 cases'), null);
});

test('a rig that never ends by itself is killed, and fails', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sync-run-rig-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(
    join(folder, 'stays.test.mjs'),
    "import { test } from 'node:test'; test('ends', () => {}); test('stays', () => new Promise(() => setInterval(() => {}, 1000)));",
  );
  await writeFile(
    join(folder, 'leaves.test.mjs'),
    "import { test } from 'node:test'; test('ends', () => void setInterval(() => {}, 1000));",
  );
  const rig = new URL('prove/run-rig.ts', import.meta.url).href;
  await writeFile(
    join(folder, 'run.mjs'),
    `import { runRig } from ${JSON.stringify(rig)};
    const options = { top: import.meta.dirname, env: process.env, signal: new AbortController().signal, timeout: 2000 };
    const both = await Promise.all(['stays.test.mjs', 'leaves.test.mjs'].map((file) => runRig(file, options)));
    console.log(JSON.stringify(both));`,
  );
  // The runner of tests runs nothing in a process that is itself run by one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const node = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
  const { stdout } = await promisify(execFile)(node, [join(folder, 'run.mjs')], { env });
  const rigs = JSON.parse(stdout) as Outcome[][];
  const failures = rigs.map((outcomes) => outcomes.filter(({ ended }) => ended === 'failed').flatMap(({ reasons }) => reasons));
  assert.equal(failures.length, 2);
  for (const reasons of failures) assert.match(reasons[0]?.message ?? 'it passed', /timed out|timeout/);
});

test('the summary counts what failed, what could not run, and what a mutant lived through', () => {
  const file = 'test/prove/lock.test.ts';
  const promised = promises.filter(({ id }) => id === 'G13').map((one) => ({ ...one, rigs: [{ file }] }));
  const [mutant] = mutants;
  assert.ok(mutant);
  const text = summary({
    quick: true,
    promises: promised,
    outcomes: [
      { file, name: 'a', ended: 'passed', cases: 10, reasons: [] },
      { file, name: 'b', ended: 'failed', cases: 5, reasons: [] },
      { file, name: 'c', ended: 'skipped', cases: 0, reasons: [] },
      { file: 'test/another.test.ts', name: 'd', ended: 'passed', cases: 100, reasons: [] },
    ],
    mutants: [
      { mutant: { ...mutant, promise: 'G13' }, fate: 'killed' },
      { mutant: { ...mutant, promise: 'G13' }, fate: 'survived' },
    ],
    seed: 7,
    versions: [],
  });
  assert.equal(
    text,
    'G13 One process at a time writes: 10 of 15 cases survived, 1 tests not run, 1 of 2 mutants killed\nSeed 7\n3 passed, 2 failed, 1 skipped',
  );
});
