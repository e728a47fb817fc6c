import { openState } from '../../src/state/open.ts';
import { batch, blobsOf, completion, entry, operation } from './samples.ts';

/**
 * Begins and finishes batches until it is killed; first recovers the batch a killed one before it left. Batch n makes the text of
 * every item n. A line is written when the state said that something is durable.
 */
const folder = process.argv[2] ?? '';
const ITEMS = 20;
const texts = (n: number): string[] => Array.from({ length: ITEMS }, (_, i) => `item ${i} of batch ${n}`);
const state = await openState(folder, { mode: 'write' });

const finish = async (n: number): Promise<void> => {
  const operations = texts(n).map((text, i) => operation(`item${i}`, n > 1 ? (texts(n - 1)[i] ?? '') : null, text));
  const set = texts(n).map((text, i) => entry(`item${i}`, text));
  await state.finish(completion(batch(n, operations), { set, meta: { last: String(n) } }));
  await state.prune(1_700_000_000_000);
  process.stdout.write(`done ${n}\n`);
};

const intent = await state.intent();
if (intent) await finish(Number.parseInt(intent.txid, 16));
for (let n = Number((await state.meta())['last'] ?? 0) + 1; ; n++) {
  const operations = texts(n).map((text, i) => operation(`item${i}`, n > 1 ? (texts(n - 1)[i] ?? '') : null, text));
  await state.begin(batch(n, operations), blobsOf(...texts(n)));
  process.stdout.write(`begun ${n}\n`);
  await finish(n);
}
