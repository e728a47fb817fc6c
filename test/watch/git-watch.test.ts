import assert from 'node:assert/strict';
import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/watch/clock.ts';
import { watchGitDir } from '../../src/watch/git-watch.ts';
import { watchNames } from '../../src/watch/names.ts';
import { fakeClock } from '../helpers/fake-clock.ts';
import { createRepository } from '../helpers/repository.ts';
import { createSeen } from '../helpers/seen.ts';

test('commands that touch the index, HEAD or a marker are told; others are not', async (t) => {
  const repository = await createRepository();
  t.after(() => repository.cleanup());
  await repository.write('a', '1');
  await repository.commit();
  const gitDir = (await repository.git('rev-parse', '--absolute-git-dir')).trim();
  const seen = createSeen<string>();
  const watching = watchGitDir({
    gitDir,
    clock: systemClock,
    onChange: () => seen.add('change'),
    onWarning: (message) => seen.add(message),
  });
  t.after(() => watching.close());

  await repository.git('config', 'x.y', 'z');
  await mkdir(join(gitDir, 'sync-run'));
  // Events come in order: had those two been told, more than what follows would be in the list.
  await mkdir(join(gitDir, 'sequencer'));
  await seen.until((all) => all.length > 0);
  assert.equal(seen.all.length, 1);
  await rmdir(join(gitDir, 'sequencer'));
  await seen.until((all) => all.length > 1);

  seen.clear();
  await repository.git('switch', '-c', 'other');
  await seen.until((all) => all.length > 0);
  seen.clear();
  await repository.write('a', '2');
  await repository.git('add', 'a');
  await seen.until((all) => all.length > 0);
  assert.ok(seen.all.every((one) => one === 'change'));
});

test('a linked worktree is watched in its own git dir', async (t) => {
  const repository = await createRepository();
  t.after(() => repository.cleanup());
  await repository.write('a', '1');
  await repository.commit();
  const tree = repository.beside('linked');
  await repository.git('worktree', 'add', tree, '-b', 'side');
  const gitDir = (await repository.gitWith({ cwd: tree }, 'rev-parse', '--absolute-git-dir')).trim();
  const seen = createSeen<string>();
  const watching = watchGitDir({ gitDir, clock: systemClock, onChange: () => seen.add('change'), onWarning: (one) => seen.add(one) });
  t.after(() => watching.close());
  await repository.gitWith({ cwd: tree }, 'switch', '-c', 'third');
  await seen.until((all) => all.length > 0);
});

test('a folder that cannot be watched is looked at once a second, with a warning', () => {
  const clock = fakeClock();
  const warnings: string[] = [];
  let changes = 0;
  const watching = watchNames({
    folder: '/nonexistent/folder',
    names: new Set(['HEAD']),
    clock,
    onChange: () => (changes += 1),
    onWarning: (message) => warnings.push(message),
  });
  if (warnings.length === 0) {
    // Deno tells it by an event instead of throwing.
    watching.close();
    return;
  }
  assert.match(warnings[0] ?? '', /"\/nonexistent\/folder"/);
  clock.advance(3_000);
  assert.equal(changes, 3);
  watching.close();
  assert.equal(clock.pending(), 0);
});
