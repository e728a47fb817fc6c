import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Manifest, ManifestEntry } from '../../src/core/manifest.ts';
import { createPending, mergeManifests } from '../../src/runner/pending.ts';
import type { Group } from '../../src/runner/pending.ts';

const changed = (...paths: string[]): ManifestEntry[] => paths.map((path) => ({ path, change: 'changed' }));
const manifest = (more: Partial<Manifest> = {}): Manifest => ({
  id: 'm',
  source: 'watcher',
  direction: 'import',
  oldHead: null,
  newHead: null,
  entries: changed('a'),
  ...more,
});
const group = (more: Partial<Manifest> = {}, options: Group<string>['options'] = null): Group<string> => ({
  manifest: manifest(more),
  options,
  submitters: ['s'],
  tried: false,
  told: '',
});
const hook = (name: string, ...paths: string[]): Group<string> => group({ source: 'hook', hook: name, entries: changed(...paths) });
const shape = (groups: readonly Group<string>[]): (string | null)[] =>
  groups.map(
    ({ manifest: { hook: name, source, entries } }) => `${name ?? source}:${entries?.map(({ path }) => path).join('+') ?? 'everything'}`,
  );

test("the watcher's manifests become one, hooks only with the hook before them, commands only when they ask the same", () => {
  const pending = createPending<string>(100);
  pending.add(group({ entries: changed('a') }));
  pending.add(hook('post-checkout', 'b'));
  pending.add(hook('post-checkout', 'c'));
  pending.add(hook('pre-commit', 'd'));
  pending.add(hook('post-checkout', 'e'));
  pending.add(group({ entries: changed('f') }));
  pending.add(group({ source: 'cli', entries: changed('g') }));
  pending.add(group({ source: 'cli', entries: changed('g') }));
  pending.add(group({ source: 'cli', entries: changed('h') }));
  pending.add(group({ source: 'cli', entries: changed('h') }, { dryRun: true }));
  pending.add(group({ source: 'cli', direction: 'export', entries: changed('h') }));
  assert.deepEqual(shape(pending.groups()), [
    'watcher:a+f',
    'post-checkout:b+c',
    'pre-commit:d',
    'post-checkout:e',
    'cli:g',
    'cli:h',
    'cli:h',
    'cli:h',
  ]);
  assert.equal(pending.groups()[4]?.submitters.length, 2);
  assert.equal(pending.depth(), 10);
});

const full: [string, Group<string>, 'degraded' | 'full'][] = [
  ['watcher', group({ entries: changed('x', 'y', 'z') }), 'degraded'],
  ['post-checkout', hook('post-checkout', 'x', 'y', 'z'), 'degraded'],
  ['pre-commit', hook('pre-commit', 'x', 'y', 'z'), 'full'],
  ['typed', group({ source: 'cli', entries: changed('x', 'y', 'z') }), 'full'],
];
for (const [name, newcomer, answer] of full) {
  test(`too much from ${name}: ${answer}`, () => {
    const pending = createPending<string>(4);
    assert.equal(pending.add(group({ source: 'mcp', entries: changed('a', 'b', 'c') })), 'added');
    assert.equal(pending.add(newcomer), answer);
    assert.equal(pending.depth(), answer === 'full' ? 3 : 4);
    assert.equal(newcomer.manifest.entries === null, answer === 'degraded');
  });
}

test('a command larger than the queue is taken when nothing else waits', () => {
  const pending = createPending<string>(2);
  assert.equal(pending.add(group({ source: 'cli', entries: changed('a', 'b', 'c') })), 'added');
  assert.equal(pending.add(group({ source: 'cli', entries: changed('d') })), 'full');
});

test("a watcher's batch put back joins what came meanwhile; a hook's stays in its place", () => {
  const pending = createPending<string>(100);
  const first = group({ entries: changed('a') });
  pending.add(hook('post-merge', 'm'));
  pending.add(group({ entries: changed('b') }));
  pending.putBack(first);
  assert.deepEqual(shape(pending.groups()), ['watcher:a+b', 'post-merge:m']);
  pending.putBack(hook('post-merge', 'n'));
  assert.deepEqual(shape(pending.groups()), ['post-merge:n', 'watcher:a+b', 'post-merge:m']);
  assert.equal(pending.depth(), 4);
  assert.equal(first.submitters.length, 2);
});

test('put back beyond the limit it becomes "look everywhere"', () => {
  const pending = createPending<string>(3);
  pending.add(group({ entries: changed('b', 'c') }));
  pending.putBack(group({ entries: changed('a', 'd') }));
  assert.deepEqual(shape(pending.groups()), ['watcher:everything']);
  assert.equal(pending.depth(), 1);
});

test('merged manifests keep the oldest and the newest commit, the later word on a path and every path once named', () => {
  const merged = mergeManifests(
    manifest({ oldHead: 'A', newHead: 'B', entries: [{ path: 'new', change: 'renamed', from: 'old' }, ...changed('x')] }),
    manifest({
      oldHead: 'B',
      newHead: 'C',
      entries: [
        { path: 'new', change: 'changed' },
        { path: 'x', change: 'deleted' },
      ],
    }),
  );
  assert.equal(merged.oldHead, 'A');
  assert.equal(merged.newHead, 'C');
  assert.deepEqual(merged.entries, [
    { path: 'new', change: 'changed' },
    { path: 'x', change: 'deleted' },
    { path: 'old', change: 'deleted' },
  ]);
  assert.equal(mergeManifests(manifest(), manifest({ entries: null })).entries, null);
});
