import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { isEditorFile } from '../../src/core/editor-files.ts';
import type { Manifest } from '../../src/core/manifest.ts';
import { operations } from '../../src/git/busy.ts';
import { createEvents } from '../../src/runner/events.ts';
import type { RunnerEvent } from '../../src/runner/events.ts';
import { createGate } from '../../src/runner/gate.ts';
import { startLive } from '../../src/runner/live.ts';
import { livePass } from '../../src/runner/pass.ts';
import { pause, readPause, resume } from '../../src/runner/pause.ts';
import { createQueue } from '../../src/runner/queue.ts';
import { systemClock } from '../../src/watch/clock.ts';
import { createRepository } from '../helpers/repository.ts';
import { createSeen } from '../helpers/seen.ts';

interface Batch {
  entries: string[] | null;
  busy: string[];
  text: string;
}

const FILES = 300;
const names = Array.from({ length: FILES }, (_unused, n) => `db/d${n % 20}/f${n}.html`);

/** A repository with two branches that differ in every mapped file, watched live; a batch notes what it found. */
async function live(t: TestContext) {
  const repository = await createRepository();
  t.after(() => repository.cleanup());
  for (const name of names) await repository.write(name, 'main');
  await repository.commit();
  await repository.git('switch', '-c', 'other');
  for (const name of names) await repository.write(name, 'other');
  await repository.commit();
  await repository.git('switch', 'main');
  const gitDir = (await repository.git('rev-parse', '--absolute-git-dir')).trim();
  const stateFolder = join(gitDir, 'sync-run');
  await mkdir(stateFolder, { mode: 0o700 });

  const batches = createSeen<Batch>();
  const seen = createSeen<RunnerEvent>();
  const events = createEvents({ clock: systemClock, onListenerError: assert.fail });
  events.subscribe((event) => seen.add(event));
  const busy = async () => (await operations({ gitDir })).map(({ operation }) => operation);
  const gate = createGate({ clock: systemClock, busy, paused: () => readPause(stateFolder) });
  const queue = createQueue<unknown>({
    async apply(manifest: Manifest) {
      const text = await repository.read(names[FILES - 1] ?? '');
      batches.add({ entries: manifest.entries?.map(({ path }) => path) ?? null, busy: await busy(), text });
      return null;
    },
    gate,
    clock: systemClock,
    events,
    figures: () => ({ txid: null, items: 0, conflicts: 0, skipped: 0, ms: 0 }),
  });
  const watching = await startLive({
    folder: repository.path,
    root: join(repository.path, 'db'),
    gitDir,
    stateFolder,
    ignored: isEditorFile,
    clock: systemClock,
    gate,
    queue,
    events,
  });
  t.after(async () => {
    await watching.close();
    await queue.close();
    gate.close();
  });
  // Looking everywhere at the start.
  await batches.until((all) => all.some(({ entries }) => entries === null));
  batches.clear();
  /** Everything that was under way is over once a last change has come through. */
  const last = async (): Promise<void> => {
    await repository.write('db/last.html', String(Math.random()));
    await batches.until(
      (all) => all.some(({ entries }) => entries === null || entries.includes('db/last.html')) && watching.unsettled().length === 0,
    );
  };
  return { repository, stateFolder, batches, seen, gate, watching, last };
}

test('a saved file is a batch of its own', async (t) => {
  const { repository, batches } = await live(t);
  await repository.write('db/d0/f0.html', 'saved');
  await batches.until((all) => all.length > 0);
  assert.deepEqual(batches.all[0]?.entries, ['db/d0/f0.html']);
});

const switches: [string, (git: (...args: string[]) => Promise<string>) => Promise<unknown>, string][] = [
  ['git checkout', (git) => git('checkout', 'other'), 'other'],
  ['git reset --hard', (git) => git('reset', '--hard', 'other'), 'other'],
  ['git rebase', (git) => git('rebase', 'other'), 'other'],
];
for (const [name, run, text] of switches) {
  test(`${name}: no batch while git works, then one that looks everywhere`, async (t) => {
    const { repository, batches, last } = await live(t);
    await run(repository.git);
    await batches.until((all) => all.length > 0);
    assert.deepEqual(batches.all, [{ entries: null, busy: [], text }]);
    batches.clear();
    await last();
    // Events that come late may name files once more, to be found unchanged; nothing looks everywhere again.
    assert.ok(batches.all.every(({ entries, busy }) => entries !== null && busy.length === 0));
  });
}

test('a stopped merge keeps it closed, an abort opens it with one look everywhere', async (t) => {
  const { repository, batches, gate } = await live(t);
  for (const name of names) await repository.write(name, 'ours');
  await repository.git('commit', '-q', '-a', '-m', 'ours');
  await batches.until((all) => all.length > 0 && all.at(-1)?.entries === null);
  await assert.rejects(repository.git('merge', 'other'));
  assert.deepEqual(
    (await gate.look(livePass)).map(({ why }) => why),
    ['merge'],
  );
  await repository.write('db/d0/f0.html', 'solving');
  batches.clear();
  await repository.git('merge', '--abort');
  await batches.until((all) => all.length > 0);
  assert.deepEqual(batches.all, [{ entries: null, busy: [], text: 'ours' }]);
});

test('a pause somebody writes into the state folder holds it; resuming looks everywhere', async (t) => {
  const { repository, stateFolder, batches, seen, watching } = await live(t);
  await pause(stateFolder, { who: 'another process', why: 'test', since: Date.now() });
  await seen.until((all) => all.some((event) => event.type === 'gate-closed' && event.reasons[0]?.why === 'test'));
  await repository.write('db/d0/f0.html', 'while paused');
  await resume(stateFolder, Date.now());
  await batches.until((all) => all.length > 0 && watching.unsettled().length === 0);
  assert.ok(batches.all.some(({ entries }) => entries === null));
});

test('what is written under a lease is one look everywhere after it', async (t) => {
  const { repository, batches, gate, last } = await live(t);
  const release = gate.hold({ who: 'export', why: 'writing' });
  for (const name of names) await repository.write(name, 'exported');
  assert.equal(batches.all.length, 0);
  release();
  await batches.until((all) => all.length > 0);
  assert.equal(batches.all[0]?.entries, null);
  await last();
});
