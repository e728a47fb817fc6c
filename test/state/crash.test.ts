import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openState } from '../../src/state/open.ts';
import { startChild } from '../helpers/runtime-child.ts';
import { digestOf, scratchFolder, txid } from './samples.ts';

test('a writer killed at any moment leaves what it had been told is durable, and nothing half done', async (t) => {
  const folder = await scratchFolder(t);
  let next = 1;
  for (let round = 0; round < 6; round++) {
    const child = startChild(new URL('./writing-child.ts', import.meta.url), [folder]);
    // Killed once just after a batch began, once just after one ended.
    const target = next + 5 + round * 3;
    await child.lines.until((lines) => lines.includes(`${round % 2 === 0 ? 'begun' : 'done'} ${target}`));
    await child.kill();
    const told = (word: string): number => {
      const numbers = child.lines.all.filter((line) => line.startsWith(`${word} `)).map((line) => Number(line.split(' ')[1]));
      return Math.max(0, ...numbers);
    };
    const state = await openState(folder, { mode: 'read' });
    const last = Number((await state.meta())['last']);
    const intent = await state.intent();
    assert.ok(last >= told('done'), `batch ${told('done')} was reported done, the state knows ${last}`);
    assert.ok(last + (intent ? 1 : 0) >= told('begun'), `batch ${told('begun')} was reported begun`);
    if (intent) {
      assert.equal(intent.txid, txid(last + 1));
      const wanted = intent.operations.map(({ row }) => row?.textAfter ?? '');
      assert.equal(wanted.length, 20);
      assert.equal((await state.blobs(wanted)).size, 20);
    }
    const base = await state.base();
    assert.deepEqual(
      new Set(base.map(({ text }) => text)),
      new Set(Array.from({ length: 20 }, (_, i) => digestOf(`item ${i} of batch ${last}`))),
    );
    assert.equal((await state.blobs(base.map(({ text }) => text))).size, 20);
    const history = await state.history();
    assert.deepEqual(
      history.filter(({ status }) => status === 'done').map((one) => one.txid),
      Array.from({ length: last }, (_, i) => txid(last - i)),
    );
    await state.close();
    next = last + 1;
  }
});
