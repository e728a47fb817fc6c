import type { Side } from '../core/batch.ts';
import { digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import type { Item } from '../core/plan.ts';
import type { State } from '../state/state.ts';
import { readBytes } from '../tree/read.ts';
import type { Context } from './context.ts';
import { labelOf } from './describe.ts';
import { hasTwoSides, planBatch } from './plan-batch.ts';
import { defaultRequest } from './request.ts';
import { takeSnapshot } from './snapshot.ts';
import { checkTarget } from './target.ts';

/** Both texts of an item; null where a side is absent. */
export interface BothTexts {
  path: string;
  file: Uint8Array | null;
  row: Uint8Array | null;
}

/** The texts of all items whose sides differ, among `paths` or everywhere. */
export async function diffTexts(context: Context, paths: string[] | null): Promise<BothTexts[]> {
  await checkTarget(context);
  const snapshot = await takeSnapshot(context);
  const decisions = planBatch(snapshot, { ...defaultRequest, command: 'diff', direction: 'sync', paths });
  const differing = decisions.filter((decision) => decision.item.file?.text !== decision.item.row?.text && hasTwoSides(decision));
  const read = await readTexts(
    context,
    differing.map(({ item }) => item),
  );
  return differing.map((decision) => ({ path: labelOf(decision), file: null, row: null, ...read.get(decision.item) }));
}

/** The texts of these items as they are now. */
export async function readTexts(context: Context, items: readonly Item[]): Promise<Map<Item, Omit<BothTexts, 'path'>>> {
  const files = await readBytes(
    context.repository.top,
    items.flatMap(({ file }) => (file ? [file.seen.path] : [])),
  );
  const rows = new Map<string, Uint8Array>();
  await context.store.read(async (session) => {
    for (const { mapping, shape } of context.mappings) {
      const wanted = items.flatMap((item) => (item.row && item.mapping.name === mapping.name ? [item.row.seen.pk] : []));
      for await (const chunk of session.texts(shape, wanted)) {
        for (const { pk, text } of chunk) rows.set(`${mapping.name} ${pk}`, text);
      }
    }
  });
  return new Map(
    items.map((item) => [
      item,
      {
        file: (item.file && files.get(item.file.seen.path)) ?? null,
        row: (item.row && rows.get(`${item.mapping.name} ${item.row.seen.pk}`)) ?? null,
      },
    ]),
  );
}

/**
 * One text as it was after a batch, or before it.
 *
 * @param options.side the side to show; by default the one the batch wrote
 * @throws {SyncError} `NOT_FOUND` if the batch did not touch the path, or the side had no text
 */
export async function showText(
  state: State,
  options: { txid: string; path: string; before: boolean; side: Side | null },
): Promise<Uint8Array> {
  const { txid, path, before } = options;
  const batch = await state.batch(txid);
  if (!batch) throw new SyncError('NOT_FOUND', `There is no batch "${txid}"`, { hint: 'List them: npx sync-run log' });
  const operation = batch.operations.find((own) => own.path === path || own.files.some((change) => change.path === path));
  if (!operation)
    throw new SyncError('NOT_FOUND', `The batch ${batch.txid.slice(0, 8)} did not touch "${path}"`, { hint: `npx sync-run log "${path}"` });
  const { files, row, seen } = operation;
  const side = options.side ?? (files.length > 0 ? 'file' : 'row');
  const placed = files.find((change) => change.after !== null);
  const after = side === 'file' ? (files.length > 0 ? (placed?.after ?? null) : seen.file) : row ? row.textAfter : seen.row;
  const wanted = before ? seen[side] : after;
  if (wanted === null) throw new SyncError('NOT_FOUND', `The ${side} had no text ${before ? 'before' : 'after'} the batch`);
  const bytes = wanted === digest(new Uint8Array()) ? new Uint8Array() : await state.blob(wanted);
  if (!bytes)
    throw new SyncError('NOT_FOUND', 'The text is no longer in the history', {
      hint: 'The history keeps 30 days and the newest 100 batches, up to 500 MB',
    });
  return bytes;
}
