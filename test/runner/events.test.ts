import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEvents } from '../../src/runner/events.ts';
import { createMetrics } from '../../src/runner/metrics.ts';
import { systemClock } from '../../src/watch/clock.ts';
import { fakeClock } from '../helpers/fake-clock.ts';

test('events are kept up to the limit, told in order, and a listener that throws disturbs nobody', () => {
  const errors: unknown[] = [];
  const events = createEvents({ clock: fakeClock(), limit: 3, onListenerError: (error) => errors.push(error) });
  const told: string[] = [];
  const stop = new AbortController();
  events.subscribe(() => {
    throw new Error('mine');
  });
  events.subscribe((event) => told.push(event.type === 'warning' ? event.message : event.type), stop.signal);
  for (const message of ['1', '2', '3', '4']) events.emit({ type: 'warning', message });
  stop.abort();
  events.emit({ type: 'gate-open' });
  events.subscribe((event) => told.push(event.type), AbortSignal.abort());
  events.emit({ type: 'gate-open' });
  assert.deepEqual(told, ['1', '2', '3', '4']);
  assert.equal(errors.length, 6);
  assert.deepEqual(
    events.history().map(({ type }) => type),
    ['warning', 'gate-open', 'gate-open'],
  );
  assert.ok(events.history().every(({ at }) => at > 1_600_000_000_000));
});

test('figures count batches, items, conflicts, retries and the time of pauses, those that last included', () => {
  const clock = fakeClock();
  const events = createEvents({ clock, onListenerError: assert.fail });
  const metrics = createMetrics({ clock, events });
  events.emit({ type: 'batch-applied', manifest: 'm', txid: 't', items: 3, conflicts: 1, skipped: 0, ms: 5 });
  events.emit({ type: 'batch-applied', manifest: 'm', txid: 't', items: 4, conflicts: 0, skipped: 0, ms: 5 });
  events.emit({ type: 'batch-failed', manifest: 'm', code: 'IO', message: 'x', kept: false });
  events.emit({ type: 'database-away', code: 'UNREACHABLE', message: 'x', retryInMs: 1, attempts: 1 });
  events.emit({ type: 'gate-closed', reasons: [] });
  events.emit({ type: 'paused', who: 'a', why: 'x' });
  clock.advance(100);
  events.emit({ type: 'paused', who: 'a', why: 'x' });
  clock.advance(50);
  events.emit({ type: 'resumed', who: 'a', why: 'x', ms: 150 });
  events.emit({ type: 'gate-open' });
  clock.advance(1_000);
  const { eventLoop, ...figures } = metrics.figures();
  assert.deepEqual(figures, {
    uptime: 1_150,
    batches: 2,
    failed: 1,
    items: 7,
    conflicts: 1,
    retries: 1,
    gate: { closed: 1, ms: 150 },
    pauses: { count: 2, ms: 150 + 1_050 },
  });
  assert.ok(eventLoop === null || eventLoop.p99 >= 0);
  metrics.close();
});

test('the delay of the event loop is what it was blocked for; Deno cannot tell', async () => {
  const events = createEvents({ clock: systemClock, onListenerError: assert.fail });
  const metrics = createMetrics({ clock: systemClock, events });
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
  await turn();
  const until = performance.now() + 120;
  while (performance.now() < until);
  await turn();
  const { eventLoop } = metrics.figures();
  metrics.close();
  if ('Deno' in globalThis) assert.equal(eventLoop, null);
  else assert.ok(eventLoop !== null && eventLoop.max >= 60, JSON.stringify(eventLoop));
});
