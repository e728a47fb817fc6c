import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLiveRoot } from '../../src/runner/live-root.ts';
import type { Live } from '../../src/runner/live.ts';

/** What was started and closed, in that order; a start takes a turn of the event loop. */
function noted({ failing = [] }: { failing?: string[] } = {}) {
  const told: string[] = [];
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const start = async (root: string): Promise<Live> => {
    begin();
    await new Promise((resolve) => setImmediate(resolve));
    if (failing.shift() === root) throw new Error(`No watches for ${root}`);
    told.push(`start ${root}`);
    return { unsettled: () => [`${root}/file`], catchUp: () => {}, close: async () => void told.push(`close ${root}`) };
  };
  return { told, begun, live: createLiveRoot(start) };
}

test('calls at the same time start one watch, and another root ends it first', async () => {
  const { told, live } = noted();
  assert.deepEqual(live.unsettled(), []);
  await Promise.all([live.follow('a'), live.follow('a'), live.follow('b')]);
  assert.deepEqual(told, ['start a', 'close a', 'start b']);
  assert.deepEqual(live.unsettled(), ['b/file']);
});

test('who closes while a watch starts leaves none behind, and none starts afterwards', async () => {
  const { told, live, begun } = noted();
  const following = live.follow('a');
  await begun;
  const closed = live.close();
  await Promise.all([following, closed, live.follow('b')]);
  assert.deepEqual(told, ['start a', 'close a']);
});

test('a watch that cannot start is told to whoever asked, and is tried again by the next', async () => {
  const { told, live } = noted({ failing: ['a'] });
  await assert.rejects(live.follow('a'), /No watches for a/);
  await live.follow('a');
  assert.deepEqual(told, ['start a']);
});
