import type { Context } from './context.ts';
import { fenceOf, wrongTarget } from './rows.ts';
import { SyncError } from '../core/errors.ts';
import { treeId } from './tree-id.ts';

/**
 * Refuses a database that is not the one the base belongs to, whatever its URL says. Writes nothing.
 *
 * @throws {SyncError} `WRONG_TARGET` if its identity differs, or if it lacks the last batch of this tree
 */
export async function checkTarget(context: Pick<Context, 'state' | 'store'>): Promise<void> {
  const { state } = context;
  const { meta, txid: last } = await checkIdentity(context);
  if (!meta.tree || meta.rowTxid === undefined) return;
  if (last === meta.rowTxid) return;
  // What a crash cut short is in the database or fenced there before the state says so; whoever writes has settled it by now.
  const unfinished = await state.intent();
  if (!unfinished || (last !== unfinished.txid && last !== fenceOf(unfinished))) throw wrongTarget();
}

/** The part of it that holds for an unfinished batch, too, whose txid may be in the database or not. */
export async function checkIdentity({
  state,
  store,
}: Pick<Context, 'state' | 'store'>): Promise<{ meta: Record<string, string>; txid: string | null }> {
  const meta = await state.meta();
  const identity = await store.identity(meta.tree);
  if (meta.targetId ? identity.id !== meta.targetId : meta.targetServer && meta.targetServer !== identity.server) {
    throw new SyncError('WRONG_TARGET', `This working tree was synced with another database than ${identity.server}`, {
      hint: 'Check SYNC_RUN_DATABASE_URL; if the database was replaced on purpose: npx sync-run init --new-target',
    });
  }
  return { meta, txid: identity.txid };
}

/** Makes the database ready for row writes, once, and remembers which one it is. */
export async function prepareTarget({ state, store }: Pick<Context, 'state' | 'store'>): Promise<void> {
  const meta = await state.meta();
  if (meta.targetId && meta.rowTxid !== undefined) return;
  const tree = await treeId(state);
  const identity = await store.prepare(tree);
  const txid = await store.read((session) => session.treeTxid(tree));
  await state.setMeta({ targetId: identity.id, targetServer: identity.server, rowTxid: txid ?? '' });
}

/** Remembers the database of the first base where it holds no table of ours (an export needs none). */
export async function rememberTarget({ state, store }: Pick<Context, 'state' | 'store'>): Promise<void> {
  const meta = await state.meta();
  if (meta.targetServer) return;
  const identity = await store.identity();
  await state.setMeta({ targetServer: identity.server, ...(identity.id ? { targetId: identity.id } : {}) });
}
