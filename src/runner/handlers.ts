import type { Clock } from '../watch/clock.ts';
import type { Handlers } from './conversation.ts';
import type { Events } from './events.ts';
import type { Gate } from './gate.ts';
import { livePass } from './pass.ts';
import { logPause, pause, resume } from './pause.ts';
import type { Queue } from './queue.ts';

export interface HandlersOptions {
  queue: Queue<unknown>;
  gate: Gate;
  events: Events;
  clock: Clock;
  stateFolder: string;
  /** The document `status` answers with. */
  status(): Promise<unknown>;
  /** Begins to leave: nothing new is taken, the batch in hand is finished. */
  leave(why: string): void;
}

/** What the runner does for its clients, by the parts it is made of. */
export function createHandlers({ queue, gate, events, clock, stateFolder, status, leave }: HandlersOptions): Handlers {
  return {
    submit: (manifest, options) => queue.submit(manifest, options),
    status,
    async pause(why, { who }) {
      const since = clock.wall();
      const made = await pause(stateFolder, { who, why, since });
      if (made.since === since) events.emit({ type: 'paused', who, why });
      await gate.look(livePass);
      // Who paused may count on it that nothing live is under way any more.
      await queue.inHand();
      return made;
    },
    async resume() {
      const past = await resume(stateFolder, clock.wall());
      if (past !== null) events.emit({ type: 'resumed', who: past.who, why: past.why, ms: past.until - past.since });
      await gate.look(livePass);
      return past;
    },
    hold(why, { who, pid }) {
      const holder = `${who} (process ${pid})`;
      const since = clock.wall();
      const release = gate.hold({ who: holder, why });
      events.emit({ type: 'paused', who: holder, why });
      let held = true;
      return {
        ready: queue.inHand(),
        release() {
          if (!held) return;
          held = false;
          release();
          const until = clock.wall();
          events.emit({ type: 'resumed', who: holder, why, ms: until - since });
          logPause(stateFolder, { who: holder, why, since, until }).catch((error: unknown) =>
            events.emit({ type: 'warning', message: `Logging a lease failed: ${String(error)}` }),
          );
        },
      };
    },
    subscribe(listener, signal) {
      for (const event of events.history()) listener(event);
      events.subscribe(listener, signal);
    },
    stop: (why) => leave(why),
  };
}
