import { counted } from './list.ts';
import type { RunnerEvent } from '../../runner/events.ts';

/** One event of the runner as a line; null for what nobody needs to read. */
export function eventLine(event: RunnerEvent): string | null {
  const text = textOf(event);
  return text === null ? null : `${new Date(event.at).toISOString().replace('T', ' ').slice(0, 19)} ${text}`;
}

/** The same without its time. */
export function textOf(event: RunnerEvent): string | null {
  switch (event.type) {
    case 'batch-started':
    case 'batch-put-off':
    case 'gate-open':
      return null;
    case 'batch-applied':
      return event.items + event.conflicts === 0
        ? null
        : `applied ${counted(event.items, 'change')} in ${event.ms} ms${event.txid ? ` (batch ${event.txid.slice(0, 8)})` : ''}`;
    case 'batch-failed':
      return `failed: ${event.code}: ${event.message}${event.kept ? '; it stays and is tried again' : ''}`;
    case 'conflict':
      return `conflict: "${event.path}"`;
    case 'paused':
      return `paused by ${event.who}: ${event.why}`;
    case 'resumed':
      return `resumed after ${event.ms} ms: ${event.who}: ${event.why}`;
    case 'gate-closed':
      return `waiting: ${event.reasons.map(({ who, why }) => `${who}: ${why}`).join('; ')}`;
    case 'queue-high':
      return `${event.depth} of ${event.limit} paths wait${event.degraded ? '; looking everywhere instead' : ''}`;
    case 'database-away':
      return `the database is away (${event.message}); next try in ${Math.round(event.retryInMs)} ms`;
    case 'database-back':
      return `the database is back after ${event.ms} ms`;
    case 'warning':
      return `warning: ${event.message}`;
  }
}
