import { randomBytes } from 'node:crypto';
import type { Batch, Operation } from '../core/batch.ts';
import type { Context } from './context.ts';

/** A batch of these operations, with what recovery needs to know. */
export async function newBatch(
  { mappings, state, now }: Pick<Context, 'mappings' | 'state' | 'now'>,
  known: Pick<Batch, 'command' | 'source' | 'direction' | 'head' | 'undoes'>,
  operations: Operation[],
): Promise<Batch> {
  const tables = new Map(mappings.map(({ mapping, table }) => [mapping.name, table]));
  const writing = operations.filter(({ row }) => row);
  return {
    ...known,
    txid: randomBytes(16).toString('hex'),
    startedAt: now(),
    previousTxid: writing.length > 0 ? ((await state.meta()).rowTxid ?? null) : null,
    repairable: writing.some(({ mapping }) => !tables.get(mapping)?.transactional),
    operations,
  };
}
