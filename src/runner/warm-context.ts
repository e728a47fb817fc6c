import { loadConfig } from '../config/load.ts';
import type { OpenContext, OpenOptions } from './open-context.ts';
import { openContext } from './open-context.ts';
import { presets } from './presets.ts';

/** In milliseconds: how long a look at the tables' descriptions counts. */
const FRESH = 60_000;

/** A context that is kept open between batches, so that a single save does not pay for connecting and looking at tables. */
export interface WarmContext {
  /** The context for the configuration as it is now; opened anew where that changed, or after `spoil`. */
  take(): Promise<OpenContext>;
  /** What failed may have failed because the context is stale. */
  spoil(): Promise<void>;
  close(): Promise<void>;
}

export function keepContextWarm(options: OpenOptions, now: () => number): WarmContext {
  let open: { context: OpenContext; at: number } | null = null;

  const spoil = async (): Promise<void> => {
    const old = open;
    open = null;
    await old?.context[Symbol.asyncDispose]();
  };

  return {
    async take() {
      if (open) {
        const { digest } = await loadConfig(open.context.repository.top, presets);
        const trusted = (await open.context.state.trusted()).has(digest);
        if (trusted && digest === open.context.config.digest && now() - open.at < FRESH) return open.context;
        await spoil();
      }
      open = { context: await openContext(options), at: now() };
      return open.context;
    },
    spoil,
    close: spoil,
  };
}
