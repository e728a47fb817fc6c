import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchClock } from '../../src/watch/clock-jump.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

test('a jump of the wall clock either way is told once; small drift is not', () => {
  const clock = fakeClock();
  const jumps: number[] = [];
  const watching = watchClock({ clock, every: 5_000, tolerance: 5_000, onJump: (drift) => jumps.push(drift) });
  clock.advance(20_000);
  clock.jump(4_000);
  clock.advance(20_000);
  assert.deepEqual(jumps, []);
  clock.jump(3_600_000);
  clock.advance(20_000);
  assert.deepEqual(jumps, [3_600_000]);
  clock.jump(-60_000);
  clock.advance(20_000);
  assert.deepEqual(jumps, [3_600_000, -60_000]);
  watching.close();
  assert.equal(clock.pending(), 0);
});
