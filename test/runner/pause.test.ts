import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { logPause, pastPauses, pause, readPause, resume } from '../../src/runner/pause.ts';
import { scratchFolder } from '../helpers/runner-parts.ts';

const mine = { who: 'me', why: 'lunch', since: 1_000 };

test('a pause is seen by whoever looks, outlives a second one, and ends once', async (t) => {
  const folder = join(await scratchFolder(t), 'state');
  assert.deepEqual(await pause(folder, mine), mine);
  assert.deepEqual(await readPause(folder), mine);
  assert.deepEqual(await pause(folder, { who: 'you', why: 'tea', since: 2_000 }), mine);
  assert.equal((await stat(join(folder, 'pause.json'))).mode & 0o077, 0);
  assert.deepEqual(await resume(folder, 5_000), { ...mine, until: 5_000 });
  assert.equal(await resume(folder, 6_000), null);
  assert.equal(await readPause(folder), null);
  assert.deepEqual(await pastPauses(folder), [{ ...mine, until: 5_000 }]);
  assert.deepEqual((await readdir(folder)).sort(), ['pauses.jsonl']);
});

test('of many who pause at once all name the same one; of many who resume one ends it', async (t) => {
  const folder = await scratchFolder(t);
  const made = await Promise.all(Array.from({ length: 20 }, (_unused, n) => pause(folder, { who: `p${n}`, why: 'x', since: n })));
  assert.equal(new Set(made.map(({ who }) => who)).size, 1);
  const ended = await Promise.all(Array.from({ length: 20 }, () => resume(folder, 99)));
  assert.equal(ended.filter((one) => one !== null).length, 1);
  assert.equal((await pastPauses(folder)).length, 1);
});

for (const [name, text] of [
  ['empty', ''],
  ['cut short', '{"who":"me","wh'],
  ['of another shape', '{"a":1}'],
  ['null', 'null'],
] as const) {
  test(`a pause file that is ${name} pauses still, and can be ended`, async (t) => {
    const folder = await scratchFolder(t);
    await writeFile(join(folder, 'pause.json'), text);
    assert.equal((await readPause(folder))?.who, 'unknown');
    assert.ok(await resume(folder, Date.now()));
    assert.equal(await readPause(folder), null);
  });
}

test('the log of past pauses is bounded, newest first, and a torn line is left out', async (t) => {
  const folder = await scratchFolder(t);
  for (let n = 0; n < 900; n += 1) await logPause(folder, { who: 'w'.repeat(100), why: 'x', since: n, until: n + 1 });
  const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size));
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) < 140_000);
  const log = join(folder, 'pauses.jsonl');
  await writeFile(log, `${await readFile(log, 'utf8')}{"who":"to`);
  const past = await pastPauses(folder);
  assert.equal(past.length, 50);
  assert.deepEqual(
    past.map(({ since }) => since),
    Array.from({ length: 50 }, (_unused, n) => 899 - n),
  );
});
