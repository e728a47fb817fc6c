import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Observation } from '../../src/watch/observe.ts';
import { createSettle } from '../../src/watch/settle.ts';
import type { Settle, Settled } from '../../src/watch/settle.ts';

const text = (token: string): Observation => ({ kind: 'content', token });
const empty: Observation = { kind: 'empty', token: '0' };
const absent: Observation = { kind: 'absent', token: '' };

/** Runs the machine from `from` to `to` in steps of one millisecond; `files` says what a read sees at a time. */
function play(
  settle: Settle,
  from: number,
  to: number,
  read: (path: string, now: number) => Observation,
  events: readonly { at: number; path: string }[] = [],
): { at: number; settled: Settled }[] {
  const out: { at: number; settled: Settled }[] = [];
  for (let now = from; now <= to; now += 1) {
    for (const event of events) if (event.at === now) settle.hint(event.path, now);
    for (const look of settle.due(now)) settle.observed(look, read(look.path, now), now);
    const settled = settle.take(now);
    if (settled !== null) out.push({ at: now, settled });
  }
  return out;
}

test('a changed file settles after the quiet time, read twice', () => {
  const reads: number[] = [];
  const out = play(createSettle({ quiet: 60 }), 0, 500, (_path, now) => (reads.push(now), text('a')), [{ at: 10, path: 'f' }]);
  assert.deepEqual(reads, [40, 70]);
  assert.deepEqual(out, [{ at: 70, settled: { paths: ['f'], everything: null } }]);
});

test('an event starts the quiet time again', () => {
  const events = [0, 20, 45, 100, 130].map((at) => ({ at, path: 'f' }));
  const out = play(createSettle({ quiet: 60 }), 0, 500, () => text('a'), events);
  assert.deepEqual(
    out.map(({ at }) => at),
    [190],
  );
});

test('two different reads are a change of their own', () => {
  const out = play(createSettle({ quiet: 60 }), 0, 500, (_path, now) => text(now < 50 ? 'half' : 'whole'), [{ at: 0, path: 'f' }]);
  assert.deepEqual(
    out.map(({ at }) => at),
    [120],
    'a second read that differs from the first begins the quiet time again',
  );
});

for (const [name, seen] of [
  ['empty', empty],
  ['gone', absent],
] as const) {
  test(`a file that is ${name} gets the slow time`, () => {
    const out = play(createSettle({ quiet: 60, slow: 2_000 }), 0, 3_000, () => seen, [{ at: 0, path: 'f' }]);
    assert.deepEqual(
      out.map(({ at }) => at),
      [2_000],
    );
  });

  test(`a file that is ${name} for 1.9 s is never seen so`, () => {
    const events = [
      { at: 0, path: 'f' },
      { at: 1_900, path: 'f' },
    ];
    const out = play(createSettle(), 0, 4_000, (_path, now) => (now < 1_900 ? seen : text('whole')), events);
    assert.deepEqual(
      out.map(({ at }) => at),
      [1_960],
      'what is not there for a moment is waited for',
    );
  });

  test(`a file that is ${name} and written without an event is noticed by the second read`, () => {
    const out = play(createSettle(), 0, 4_000, (_path, now) => (now < 1_900 ? seen : text('whole')), [{ at: 0, path: 'f' }]);
    assert.deepEqual(
      out.map(({ at }) => at),
      [2_060],
    );
  });
}

test('an answer overtaken by an event is dropped', () => {
  const settle = createSettle({ quiet: 60 });
  settle.hint('f', 0);
  const [first] = settle.due(30);
  assert.ok(first);
  settle.hint('f', 31);
  settle.observed(first, text('old'), 35);
  const [second] = settle.due(61);
  assert.ok(second);
  // The first answer must not count as the first of the two equal ones.
  settle.observed(second, text('old'), 62);
  assert.equal(settle.take(62), null);
  const [third] = settle.due(92);
  assert.ok(third);
  settle.observed(third, text('old'), 92);
  assert.deepEqual(settle.take(92), { paths: ['f'], everything: null });
});

test('a thousand files written one per millisecond come out in two batches at most', () => {
  const events = Array.from({ length: 1_000 }, (_unused, at) => ({ at, path: `f${at}` }));
  const out = play(createSettle(), 0, 5_000, () => text('a'), events);
  assert.ok(out.length <= 2, `${out.length} batches`);
  assert.deepEqual(new Set(out.flatMap(({ settled }) => settled.paths)).size, 1_000);
});

test('a file that never rests does not hold up another for longer than the patience', () => {
  const events = [{ at: 0, path: 'quiet' }, ...Array.from({ length: 200 }, (_unused, n) => ({ at: n * 20, path: 'busy' }))];
  const out = play(createSettle({ patience: 1_000 }), 0, 3_900, () => text('a'), events);
  assert.deepEqual(out, [{ at: 1_060, settled: { paths: ['quiet'], everything: null } }]);
});

test('a file that vanished does not hold up others', () => {
  const out = play(createSettle(), 0, 3_000, (path) => (path === 'gone' ? absent : text('a')), [
    { at: 0, path: 'gone' },
    { at: 0, path: 'saved' },
  ]);
  assert.deepEqual(out, [
    { at: 60, settled: { paths: ['saved'], everything: null } },
    { at: 2_000, settled: { paths: ['gone'], everything: null } },
  ]);
});

test('"look everywhere" waits for what is in motion, and names what stays so', () => {
  const settle = createSettle();
  settle.hint('saved', 0);
  settle.hint('gone', 0);
  settle.everything('clock jump', 5);
  settle.everything('watcher error', 6);
  assert.equal(settle.take(6), null);
  const out = play(settle, 7, 100, (path) => (path === 'gone' ? absent : text('a')));
  assert.deepEqual(out, [{ at: 60, settled: { paths: ['saved'], everything: ['clock jump', 'watcher error'] } }]);
  assert.deepEqual(settle.unsettled(), ['gone']);
});

test('"look everywhere" comes at once where nothing moves', () => {
  const settle = createSettle();
  settle.everything('start', 5);
  assert.equal(settle.nextAt(), 0);
  assert.deepEqual(settle.take(5), { paths: [], everything: ['start'] });
  assert.equal(settle.take(6), null);
  assert.equal(settle.nextAt(), null);
});

test('more paths than the limit become "look everywhere" after the slow time, and none is kept', () => {
  const settle = createSettle({ limit: 100 });
  const events = Array.from({ length: 300 }, (_unused, at) => ({ at, path: `f${at}` }));
  const out = play(settle, 0, 6_000, () => text('a'), events);
  assert.deepEqual(
    out.map(({ at }) => at),
    [2_299],
  );
  assert.deepEqual(out[0]?.settled.paths, []);
  assert.equal(out[0]?.settled.everything?.length, 1);
  assert.deepEqual(settle.unsettled(), []);
});

test('a flood that never ends is looked at nevertheless', () => {
  const settle = createSettle({ limit: 10 });
  const events = Array.from({ length: 1_500 }, (_unused, n) => ({ at: n * 10, path: `f${n}` }));
  const out = play(settle, 0, 12_000, () => text('a'), events);
  assert.ok(out.some(({ settled }) => settled.everything !== null));
});

test('nextAt names the next millisecond at which something is due', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ at: fc.nat(3_000), path: fc.constantFrom('a', 'b', 'c') }), { maxLength: 30 }), (events) => {
      const settle = createSettle();
      let promised: number | null = null;
      for (let now = 0; now < 6_000; now += 1) {
        const hinted = events.filter(({ at }) => at === now);
        for (const { path } of hinted) settle.hint(path, now);
        const due = settle.due(now);
        for (const look of due) settle.observed(look, look.path === 'c' ? absent : text('t'), now);
        const settled = settle.take(now);
        if (hinted.length === 0 && (due.length > 0 || settled !== null))
          assert.ok(promised !== null && promised <= now, `silent at ${now}`);
        promised = settle.nextAt();
        // A promise in the past would make the driver spin.
        if (promised !== null) assert.ok(promised > now, `promised ${promised} at ${now}`);
      }
      assert.equal(promised, null);
    }),
    { numRuns: 60 },
  );
});

test('whatever happens, every path comes out after its last event, and only with content read twice alike', () => {
  const event = fc.record({ gap: fc.nat(150), path: fc.constantFrom('a', 'b', 'c', 'd'), to: fc.constantFrom('x', 'y', '', null) });
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 40 }), fc.constantFrom(2, 10_000), (steps, limit) => {
      let at = 0;
      const events = steps.map(({ gap, path, to }) => ({ at: (at += gap), path, to }));
      const truth = (path: string, now: number): Observation => {
        const last = events.findLast((one) => one.path === path && one.at <= now);
        const to = last?.to ?? null;
        return to === null ? absent : to === '' ? empty : text(`${to}${last?.at}`);
      };
      const out = play(createSettle({ limit }), 0, at + 15_000, truth, events);
      for (const path of new Set(events.map((one) => one.path))) {
        const last = events.findLast((one) => one.path === path);
        assert.ok(last);
        const covered = out.findLast(({ settled }) => settled.paths.includes(path) || settled.everything !== null);
        assert.ok(covered !== undefined && covered.at > last.at, `${path} is lost`);
      }
      for (const { at: when, settled } of out) {
        for (const path of settled.paths) {
          const last = events.findLast((one) => one.path === path && one.at <= when);
          assert.ok(last);
          assert.ok(when - last.at >= (last.to === 'x' || last.to === 'y' ? 60 : 2_000), `${path} too early`);
        }
      }
    }),
    { numRuns: 60 },
  );
});
