import assert from 'node:assert/strict';
import { chmod, mkdir, open, readdir, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parsePattern, matchPath, renderPath } from '../../src/core/pattern.ts';
import { SyncError } from '../../src/core/errors.ts';
import { openDir } from '../../src/tree/dir.ts';
import { asyncDisk } from '../../src/tree/disk-async.ts';
import type { Outcome } from '../../src/tree/outcome.ts';
import { place, rollForward } from '../../src/tree/place.ts';
import { putInPlace } from '../../src/tree/put-in-place.ts';
import { scanTree } from '../../src/tree/scan.ts';
import { discard, removeLeftovers, settle } from '../../src/tree/settle.ts';
import { stage } from '../../src/tree/stage.ts';
import { takeAway } from '../../src/tree/take-away.ts';
import { changesOf, scratchTree, type Edit } from '../helpers/scratch-tree.ts';
import { onFailingDisk } from '../helpers/failing-disk.ts';
import { full, survived } from '../prove/cases.ts';

const shown = (outcomes: Outcome[]): string[] =>
  outcomes.map(({ change, result, found }) => [change.path, result, ...(found ? [new TextDecoder().decode(found)] : [])].join(' | '));

const cases: { name: string; before: Record<string, string>; edits: Edit[]; after: Record<string, string> }[] = [
  {
    name: 'creates, in directories that are there or not',
    before: { 'db/x': 'x' },
    edits: [
      ['db/a', null, 'A'],
      ['db/n/e/w', null, ''],
    ],
    after: { 'db/a': 'A', 'db/n/e/w': '', 'db/x': 'x' },
  },
  {
    name: 'replaces',
    before: { 'db/a': 'old', 'db/s/b': '' },
    edits: [
      ['db/a', 'old', 'new'],
      ['db/s/b', '', 'B'],
    ],
    after: { 'db/a': 'new', 'db/s/b': 'B' },
  },
  {
    name: 'deletes, with the directories that leaves empty',
    before: { 'db/a/b/c': '1', 'db/a/d/e': '2', 'db/a/d/f': '3' },
    edits: [
      ['db/a/b/c', '1', null],
      ['db/a/d/e', '2', null],
    ],
    after: { 'db/a/d/f': '3' },
  },
  { name: 'deletes the last file, but not the root', before: { 'db/a/b': '1' }, edits: [['db/a/b', '1', null]], after: { 'db/': '' } },
  {
    name: 'swaps',
    before: { 'db/a': 'A', 'db/b': 'B' },
    edits: [
      ['db/a', 'A', 'B'],
      ['db/b', 'B', 'A'],
    ],
    after: { 'db/a': 'B', 'db/b': 'A' },
  },
  {
    name: 'moves in a row',
    before: { 'db/a': 'A', 'db/b': 'B' },
    edits: [
      ['db/a', 'A', null],
      ['db/b', 'B', 'A'],
      ['db/c', null, 'B'],
    ],
    after: { 'db/b': 'A', 'db/c': 'B' },
  },
  {
    name: 'renames by case only',
    before: { 'db/Name': 'A' },
    edits: [
      ['db/name', null, 'A'],
      ['db/Name', 'A', null],
    ],
    after: { 'db/name': 'A' },
  },
  {
    name: 'moves between directories',
    before: { 'db/old/a': 'A' },
    edits: [
      ['db/old/a', 'A', null],
      ['db/new/a', null, 'A2'],
    ],
    after: { 'db/new/a': 'A2' },
  },
  {
    name: 'works below another root, as after a changed "root"',
    before: { 'was/p/a': 'A', 'db/x': '' },
    edits: [
      ['was/p/a', 'A', null],
      ['db/a', null, 'A'],
    ],
    after: { 'db/a': 'A', 'db/x': '', 'was/': '' },
  },
];

for (const { name, before, edits, after } of cases) {
  for (const links of [true, false]) {
    test(`${name}${links ? '' : ', without hard links'}`, async (t) => {
      const tree = await scratchTree(t, before);
      const { changes, textOf } = changesOf(edits);
      const { error } = await onFailingDisk(
        ({ name }) => (links || name !== 'link' ? null : 'EPERM'),
        async (executor) => {
          const on = { ...tree, executor };
          await stage(on, changes, textOf);
          for (const [path, text] of Object.entries(before)) assert.equal(await tree.read(path), text, 'staging touches no target');
          assert.ok((await place(on, changes)).every(({ result }) => result === 'done'));
          assert.ok(
            (await rollForward(on, changes, textOf)).every(({ result }) => result === 'done'),
            'done twice is done',
          );
          await settle(on, changes);
          await settle(on, changes);
        },
      );
      assert.equal(error, null);
      assert.deepEqual(await tree.all(), after);
    });
  }
}

test('gives new files the mode of the change', async (t) => {
  const tree = await scratchTree(t, { 'db/a': 'A' });
  await chmod(tree.at('db/a'), 0o600);
  const { changes, textOf } = changesOf(
    [
      ['db/a', 'A', 'B'],
      ['db/b', null, 'C'],
    ],
    0o755,
  );
  await stage(tree, changes, textOf);
  await place(tree, changes);
  for (const path of ['db/a', 'db/b']) assert.equal((await stat(tree.at(path))).mode & 0o777, 0o755);
});

test('a file that is as wanted already is not written', async (t) => {
  const tree = await scratchTree(t, { 'db/a': 'new', 'db/b': 'new' });
  const { changes, textOf } = changesOf([
    ['db/a', 'old', 'new'],
    ['db/b', null, 'new'],
    ['db/c', 'old', null],
  ]);
  const before = await Promise.all(['db/a', 'db/b'].map((path) => stat(tree.at(path), { bigint: true })));
  await stage(tree, changes, textOf);
  assert.deepEqual(shown(await place(tree, changes)), ['db/a | done', 'db/b | done', 'db/c | done']);
  await settle(tree, changes);
  const after = await Promise.all(['db/a', 'db/b'].map((path) => stat(tree.at(path), { bigint: true })));
  assert.deepEqual(
    after.map(({ ino, mtimeNs }) => [ino, mtimeNs]),
    before.map(({ ino, mtimeNs }) => [ino, mtimeNs]),
  );
});

const meddling: {
  name: string;
  edit: Edit;
  meddle: (at: (path: string) => string) => Promise<unknown>;
  outcome: string;
  after: Record<string, string>;
}[] = [
  {
    name: 'edited before it is replaced',
    edit: ['db/s/a', 'A', 'B'],
    meddle: (at) => writeFile(at('db/s/a'), 'mine'),
    outcome: 'target-changed | mine',
    after: { 'db/s/a': 'mine' },
  },
  {
    name: 'saved anew before it is replaced',
    edit: ['db/s/a', 'A', 'B'],
    meddle: async (at) => {
      await writeFile(at('db/t'), 'mine');
      await rename(at('db/t'), at('db/s/a'));
    },
    outcome: 'target-changed | mine',
    after: { 'db/s/a': 'mine' },
  },
  {
    name: 'edited before it is deleted',
    edit: ['db/s/a', 'A', null],
    meddle: (at) => writeFile(at('db/s/a'), 'mine'),
    outcome: 'target-changed | mine',
    after: { 'db/s/a': 'mine' },
  },
  {
    name: 'created before it is created',
    edit: ['db/s/n', null, 'B'],
    meddle: (at) => writeFile(at('db/s/n'), 'mine'),
    outcome: 'target-changed | mine',
    after: { 'db/s/a': 'A', 'db/s/n': 'mine' },
  },
  {
    name: 'deleted before it is replaced',
    edit: ['db/s/a', 'A', 'B'],
    meddle: (at) => unlink(at('db/s/a')),
    outcome: 'target-changed',
    after: {},
  },
  { name: 'deleted before it is deleted', edit: ['db/s/a', 'A', null], meddle: (at) => unlink(at('db/s/a')), outcome: 'done', after: {} },
  {
    name: 'made a link before it is replaced',
    edit: ['db/s/a', 'A', 'B'],
    meddle: async (at) => {
      await unlink(at('db/s/a'));
      await symlink(at('outside'), at('db/s/a'));
    },
    outcome: 'target-changed',
    after: { 'db/s/a': '(no file)' },
  },
  {
    name: 'made a link before it is deleted',
    edit: ['db/s/a', 'A', null],
    meddle: async (at) => {
      await unlink(at('db/s/a'));
      await symlink(at('outside'), at('db/s/a'));
    },
    outcome: 'target-changed',
    after: { 'db/s/a': '(no file)' },
  },
  {
    name: 'a link before it is created',
    edit: ['db/s/n', null, 'B'],
    meddle: (at) => symlink(at('outside'), at('db/s/n')),
    outcome: 'target-changed',
    after: { 'db/s/a': 'A', 'db/s/n': '(no file)' },
  },
  {
    name: 'made a directory before it is replaced',
    edit: ['db/s/a', 'A', 'B'],
    meddle: async (at) => {
      await unlink(at('db/s/a'));
      await mkdir(at('db/s/a'));
    },
    outcome: 'target-changed',
    after: { 'db/s/a/': '' },
  },
  {
    name: 'in a folder made a link before it is replaced',
    edit: ['db/s/a', 'outside', 'B'],
    meddle: async (at) => {
      await rm(at('db/s'), { recursive: true });
      await symlink(at('folder'), at('db/s'));
    },
    outcome: 'target-changed',
    after: { 'db/s': '(no file)' },
  },
  {
    name: 'in a folder deleted before it is replaced',
    edit: ['db/s/a', 'A', 'B'],
    meddle: (at) => rm(at('db/s'), { recursive: true }),
    outcome: 'target-changed',
    after: {},
  },
  {
    name: 'in a folder deleted before it is deleted',
    edit: ['db/s/a', 'A', null],
    meddle: (at) => rm(at('db/s'), { recursive: true }),
    outcome: 'done',
    after: {},
  },
];

for (const { name, edit, meddle, outcome, after } of meddling) {
  test(`a file ${name} is left alone, the others go on`, async (t) => {
    const tree = await scratchTree(t, { 'db/s/a': edit[1] ?? 'A', 'db/z': 'Z', outside: 'outside', 'folder/a': 'outside' });
    const { changes, textOf } = changesOf([edit, ['db/z', 'Z', 'Z2']]);
    await stage(tree, changes, textOf);
    await meddle(tree.at);
    const outcomes = shown(await place(tree, changes));
    assert.deepEqual(outcomes, [`${edit[0]} | ${outcome}`, 'db/z | done'], `a file ${name} is noticed: ${outcomes.join('; ')}`);
    await settle(tree, changes);
    const all = await tree.all();
    delete all['db/s/'];
    assert.deepEqual(all, { ...after, 'db/z': 'Z2', 'folder/a': 'outside', outside: 'outside' });
  });
}

test('what is written to the old file after it was replaced is found', async (t) => {
  const tree = await scratchTree(t, { 'db/a': 'old' });
  const { changes, textOf } = changesOf([['db/a', 'old', 'new']]);
  const editor = await open(tree.at('db/a'), 'r+');
  try {
    await stage(tree, changes, textOf);
    const dir = await openDir(asyncDisk, tree.top, 'db');
    await putInPlace(dir, changes[0]!, null);
    await dir.close();
    await editor.write('late');
  } finally {
    await editor.close();
  }
  assert.deepEqual(shown(await place(tree, changes)), ['db/a | late-write | late']);
  assert.deepEqual(shown(await rollForward(tree, changes, textOf)), ['db/a | late-write | late']);
  assert.equal(await tree.read('db/a'), 'new');
});

test('a file written to after it was deleted is put back', async (t) => {
  const tree = await scratchTree(t, { 'db/a': 'old' });
  const { changes } = changesOf([['db/a', 'old', null]]);
  const editor = await open(tree.at('db/a'), 'r+');
  try {
    const dir = await openDir(asyncDisk, tree.top, 'db');
    await takeAway(dir, changes[0]!);
    await dir.close();
    assert.deepEqual(await tree.all(), { [`db/${changes[0]!.kept}`]: 'old' });
    await editor.write('late');
  } finally {
    await editor.close();
  }
  assert.deepEqual(shown(await place(tree, changes)), ['db/a | target-changed | late']);
  assert.deepEqual(await tree.all(), { 'db/a': 'late' });
});

const unstageable: { name: string; edits: Edit[]; before: Record<string, string>; code: string; message: RegExp }[] = [
  {
    name: 'a file is where a directory is needed',
    before: { 'db/f': 'x' },
    edits: [
      ['db/n/a', null, 'A'],
      ['db/f/a', null, 'A'],
    ],
    code: 'IO',
    message: /"db\/f" is not a directory/,
  },
  {
    name: 'a temporary name is taken',
    before: { 'db/.sync-run-01234567-1.new': 'x' },
    edits: [
      ['db/n/a', null, 'A'],
      ['db/b', null, 'B'],
    ],
    code: 'IO',
    message: /"db\/b".*EEXIST/,
  },
  {
    name: 'a path is none that may be written',
    before: {},
    edits: [
      ['db/a', null, 'A'],
      ['db/.git/config', null, 'B'],
    ],
    code: 'INTERNAL',
    message: /"db\/\.git\/config"/,
  },
  { name: 'a path leads out', before: {}, edits: [['db/../../a', null, 'A']], code: 'INTERNAL', message: /"db\/\.\.\/\.\.\/a"/ },
];

for (const { name, before, edits, code, message } of unstageable) {
  test(`stages nothing where ${name}`, async (t) => {
    const tree = await scratchTree(t, { ...before, 'db/x': '' });
    const { changes, textOf } = changesOf(edits);
    await assert.rejects(
      stage(tree, changes, textOf),
      (error) => error instanceof SyncError && error.code === code && message.test(error.message),
      `nothing is written where ${name}`,
    );
    assert.deepEqual(await tree.all(), { ...before, 'db/x': '' });
  });
}

test('stages nothing where a text is missing or damaged', async (t) => {
  const tree = await scratchTree(t, { 'db/x': '' });
  const { changes } = changesOf([['db/n/a', null, 'A']]);
  await assert.rejects(
    stage(tree, changes, () => null),
    (error) => error instanceof SyncError && error.code === 'INTERNAL',
  );
  await assert.rejects(
    stage(tree, changes, () => new Uint8Array([1])),
    (error) => error instanceof SyncError && error.code === 'VERIFY',
    'a text without its digest is not written',
  );
  assert.deepEqual(await tree.all(), { 'db/x': '' });
});

test('refuses names of temporary files that are not its own', async (t) => {
  const tree = await scratchTree(t, { 'db/x': 'X', 'db/y': 'Y' });
  const { changes, textOf } = changesOf([['db/x', 'X', 'Z']]);
  for (const kept of ['y', '../y', '.sync-run-01234567-0.old/../y', null]) {
    const forged = [{ ...changes[0]!, kept }];
    for (const step of [
      () => stage(tree, forged, textOf),
      () => place(tree, forged),
      () => settle(tree, forged),
      () => discard(tree, forged),
    ]) {
      const isRefused = (error: unknown): boolean => error instanceof SyncError && error.code === 'INTERNAL';
      await assert.rejects(step(), isRefused, 'a kept name that is not ours is refused');
    }
  }
  assert.deepEqual(await tree.all(), { 'db/x': 'X', 'db/y': 'Y' });
});

test('discarding removes what was staged and nothing else', async (t) => {
  const tree = await scratchTree(t, { 'db/a': 'A', 'db/b': 'B' });
  const { changes, textOf } = changesOf([
    ['db/a', 'A', 'A2'],
    ['db/b', 'B', null],
    ['db/n/e/w', null, 'N'],
  ]);
  assert.deepEqual((await stage(tree, changes, textOf)).created, ['db/n', 'db/n/e']);
  await tree.write('db/n/mine', 'mine');
  assert.deepEqual(await discard(tree, changes), []);
  assert.deepEqual(await tree.all(), { 'db/a': 'A', 'db/b': 'B', 'db/n/mine': 'mine' });
});

test('removes leftovers, and folders that hold nothing else', async (t) => {
  const tree = await scratchTree(t, {
    'db/.sync-run-01234567-0.old': 'x',
    'db/a/.sync-run-01234567-1.new': 'x',
    'db/gone/with/.sync-run-01234567-2.old': 'x',
    'db/.sync-run-mine': 'mine',
    'db/a/b': 'b',
  });
  const { leftovers } = await scanTree(tree);
  assert.equal(leftovers.length, 4);
  await removeLeftovers(tree, [...leftovers, 'db/a/b']);
  assert.deepEqual(await tree.all(), { 'db/.sync-run-mine': 'mine', 'db/a/b': 'b' });
});

test('hostile keys become ordinary files and come back', async (t) => {
  const tree = await scratchTree(t, { 'db/x': '' });
  const pattern = parsePattern('p/{key}.html');
  const keys = [
    '../../.git/hooks/pre-commit',
    'a/b',
    'CON',
    'aux.',
    '.GIT',
    '.git\u200C',
    ' ',
    '..',
    '\u0000',
    'x\ny',
    '~',
    'a.html',
    '\u{1F4A5}',
    '日本語',
    '\uFFFD',
    '%41',
  ];
  const edits = keys.map((key): Edit => {
    const rendered = renderPath(pattern, { key });
    assert.ok('path' in rendered);
    return [`db/${rendered.path}`, null, key];
  });
  const { changes, textOf } = changesOf(edits);
  await stage(tree, changes, textOf);
  assert.ok((await place(tree, changes)).every(({ result }) => result === 'done'));
  await settle(tree, changes);
  const { files, skips } = await scanTree(tree);
  assert.deepEqual(skips, []);
  const found = files.flatMap((file) => {
    const matched = matchPath(pattern, file.path.slice('db/'.length));
    return matched && !('wrong' in matched) ? [matched.values['key']] : [];
  });
  assert.deepEqual(new Set(found), new Set(keys));
  assert.equal(found.length, keys.length);
  for (const [path, , key] of edits) assert.equal(await tree.read(path), key);
});

test('a folder swapped for a link in a race lets nothing out', { skip: process.platform !== 'linux' }, async (t) => {
  const tree = await scratchTree(t, { 'outside/a': 'theirs', 'db/s/a': 'old' });
  const folder = tree.at('db/s');
  const away = tree.at('db/away');
  let racing = true;
  // Something may be staged into the folder while it is removed.
  const clear = () => rm(folder, { recursive: true, force: true, maxRetries: 100, retryDelay: 1 });
  const back = () =>
    rename(away, folder).then(
      () => true,
      () => false,
    );
  const race = (async () => {
    while (racing) {
      await rename(folder, away);
      // Staging may have made the folder anew in that moment.
      await symlink(tree.at('outside'), folder).catch(clear);
      await clear();
      while (!(await back())) await clear();
    }
  })();
  const rounds = full ? 5_000 : 150;
  let placed = 0;
  let refused = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      const { changes, textOf } = changesOf([
        ['db/s/a', 'old', 'new'],
        ['db/s/b', null, 'b'],
        ['outside/none', 'x', null],
      ]);
      const reverse = changesOf([
        ['db/s/a', 'new', 'old'],
        ['db/s/b', 'b', null],
      ]);
      for (const batch of [{ changes: changes.slice(0, 2), textOf }, reverse]) {
        try {
          await stage(tree, batch.changes, batch.textOf);
          await place(tree, batch.changes);
          placed++;
        } catch (error) {
          assert.ok(error instanceof SyncError, String(error));
          refused++;
        }
        // What a later batch takes away again was outside all the same.
        assert.deepEqual(await readdir(tree.at('outside')), ['a'], 'nothing is made in a folder behind a link');
        await settle(tree, batch.changes).catch((error: unknown) => assert.ok(error instanceof SyncError));
      }
    }
  } finally {
    racing = false;
    await race;
  }
  assert.ok(placed > 0, `placed ${placed}, refused ${refused}`);
  const all = await tree.all();
  assert.deepEqual(
    Object.keys(all).filter((path) => path.startsWith('outside/')),
    ['outside/a'],
  );
  assert.equal(all['outside/a'], 'theirs');
  survived(t, { cases: 2 * rounds, detail: `${placed} batches placed, ${refused} refused` });
});
