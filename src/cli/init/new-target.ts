import type { Context } from '../../runner/context.ts';
import { noneMoved } from '../../runner/moved.ts';
import { takeBack } from '../../runner/recovery.ts';
import { withLock } from '../../runner/run.ts';

/** Forgets what was agreed with the database there was before; the history stays, an unfinished batch included. */
export function forgetTarget(context: Context, { lockTimeout }: { lockTimeout: number }): Promise<void> {
  const { state } = context;
  return withLock(context, { command: 'init --new-target', lockTimeout }, async () => {
    const unfinished = await state.intent();
    if (unfinished) await takeBack(context, unfinished);
    await state.forgetBase();
    await state.setMeta({ targetId: null, targetServer: null, rowTxid: null, tree: null, ...noneMoved });
  });
}
