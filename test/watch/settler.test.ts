import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Observation } from '../../src/watch/observe.ts';
import type { Settled } from '../../src/watch/settle.ts';
import { startSettler } from '../../src/watch/settler.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

const seen = (paths: readonly string[]): Map<string, Observation> => new Map(paths.map((path) => [path, { kind: 'content', token: path }]));

test('hints come out settled once the quiet time is over, and no timer is left', async () => {
  const clock = fakeClock();
  const out: Settled[] = [];
  const settler = startSettler({ clock, read: async (paths) => seen(paths), onSettled: (settled) => out.push(settled) });
  settler.hint('a');
  await clock.run(20);
  settler.hint('b');
  assert.deepEqual(settler.unsettled(), ['a', 'b']);
  await clock.run(59);
  assert.deepEqual(out, []);
  await clock.run(2);
  assert.deepEqual(out, [{ paths: ['a', 'b'], everything: null }]);
  assert.equal(clock.pending(), 0);
});

test('an event during a slow read makes the read count for nothing', async () => {
  const clock = fakeClock();
  const out: Settled[] = [];
  const gates: (() => void)[] = [];
  const settler = startSettler({
    clock,
    read: async (paths) => {
      await new Promise<void>((resolve) => gates.push(resolve));
      return seen(paths);
    },
    onSettled: (settled) => out.push(settled),
  });
  settler.hint('a');
  await clock.run(30);
  assert.equal(gates.length, 1);
  await clock.run(100);
  settler.hint('a');
  gates.shift()?.();
  await clock.run(30);
  gates.shift()?.();
  await clock.run(29);
  assert.deepEqual(out, []);
  await clock.run(1);
  gates.shift()?.();
  await clock.run(0);
  assert.deepEqual(out, [{ paths: ['a'], everything: null }]);
});

test('a read that fails becomes "look everywhere"', async () => {
  const clock = fakeClock();
  const out: Settled[] = [];
  const settler = startSettler({ clock, read: () => Promise.reject(new Error('no')), onSettled: (settled) => out.push(settled) });
  settler.hint('a');
  await clock.run(40);
  assert.deepEqual(out, [{ paths: [], everything: ['reading failed: no'] }]);
  settler.close();
  assert.equal(clock.pending(), 0);
});

test('after closing nothing comes out', async () => {
  const clock = fakeClock();
  const out: Settled[] = [];
  const settler = startSettler({ clock, read: async (paths) => seen(paths), onSettled: (settled) => out.push(settled) });
  settler.hint('a');
  settler.close();
  settler.hint('b');
  settler.everything('late');
  await clock.run(5_000);
  assert.deepEqual(out, []);
});

test('ten thousand hints at once are read in two rounds', async () => {
  const clock = fakeClock();
  const rounds: number[] = [];
  const out: Settled[] = [];
  const settler = startSettler({
    clock,
    read: async (paths) => (rounds.push(paths.length), seen(paths)),
    onSettled: (settled) => out.push(settled),
  });
  for (let n = 0; n < 10_000; n += 1) settler.hint(`f${n}`);
  await clock.run(200);
  assert.deepEqual(rounds, [10_000, 10_000]);
  assert.equal(out[0]?.paths.length, 10_000);
});
