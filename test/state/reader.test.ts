import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openState } from '../../src/state/open.ts';
import { startChild } from '../helpers/runtime-child.ts';
import { scratchFolder } from './samples.ts';

test('a reader sees one whole batch after another while somebody writes', async (t) => {
  const folder = await scratchFolder(t);
  const child = startChild(new URL('./writing-child.ts', import.meta.url), [folder]);
  await child.lines.until((lines) => lines.includes('done 1'));
  const reader = await openState(folder, { mode: 'read' });
  let seen = 0;
  for (let i = 0; i < 40; i++) {
    const texts = new Set((await reader.base()).map(({ text }) => text));
    const [newest] = await reader.history({ limit: 1 });
    assert.equal(texts.size, 20);
    const whole = newest ? await reader.batch(newest.txid) : null;
    assert.equal(whole?.operations.length, 20);
    seen = Number((await reader.meta())['last']);
    if (i % 10 === 0) await child.lines.until((lines) => lines.includes(`done ${seen + 1}`));
  }
  assert.ok(seen > 3);
  await reader.close();
  await child.kill();
});
