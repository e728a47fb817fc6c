import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, renameSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { asyncDisk } from '../../src/tree/disk-async.ts';
import { syncDisk } from '../../src/tree/disk-sync.ts';
import { place } from '../../src/tree/place.ts';
import { settle } from '../../src/tree/settle.ts';
import { stage } from '../../src/tree/stage.ts';
import { onFailingDisk } from '../helpers/failing-disk.ts';
import { changesOf, type Edit, memory, scratchTree } from '../helpers/scratch-tree.ts';

/** What someone does to the target, in one instant right before one of our calls. */
const doings: Record<string, (target: string) => void> = {
  'writes it in place': (target) => writeFileSync(target, 'mine'),
  'saves it as a new file': (target) => {
    writeFileSync(`${target}.tmp`, 'mine');
    renameSync(`${target}.tmp`, target);
  },
  'appends to it': (target) => writeFileSync(target, 'mine', { flag: 'a' }),
  'deletes it': (target) => unlinkSync(target),
};

const plans: Record<string, Edit> = {
  replaced: ['db/a', 'old', 'new'],
  deleted: ['db/a', 'old', null],
  created: ['db/a', null, 'new'],
};

const disks = { here: asyncDisk, 'in a thread': syncDisk };

for (const [what, edit] of Object.entries(plans)) {
  for (const [doing, act, where, disk] of Object.entries(doings).flatMap(([name, does]) =>
    Object.entries(disks).map((entry) => [name, does, ...entry] as const),
  )) {
    test(`someone ${doing} at any moment while it is ${what} as ${where}: nothing is lost`, async () => {
      let reached = true;
      for (let at = 0; reached; at++) {
        const tree = await scratchTree(null, { 'db/keep': '', ...(edit[1] === null ? {} : { 'db/a': edit[1] }) }, memory());
        try {
          const { changes, textOf } = changesOf([edit]);
          await stage(tree, changes, textOf);
          let mine: string | null = null;
          let moment = '';
          const { result, calls } = await onFailingDisk(
            ({ index, name }) => {
              if (index !== at) return null;
              moment = name;
              try {
                act(tree.at('db/a'));
                mine = readFileSync(tree.at('db/a'), 'utf8');
              } catch {
                mine = null; // Nothing there at this moment to delete, or to read after that.
              }
              return null;
            },
            (executor) => place({ ...tree, executor }, changes),
            disk,
          );
          await settle(tree, changes);
          const outcome = result?.[0];
          const all: Record<string, string> = await tree.all();
          reached = calls > at;
          const left = all['db/a'] ?? null;
          const found = outcome?.found ? new TextDecoder().decode(outcome.found) : null;
          assert.deepEqual(
            Object.keys(all).filter((path) => path !== 'db/a'),
            ['db/keep'],
          );
          // The one moment without a remedy, see `place`: there is no rename that compares.
          if (moment === 'rename' && what === 'replaced' && doing === 'saves it as a new file') continue;
          if (mine !== null)
            assert.ok(left === mine || found === mine, `what was written before call ${at} (${moment}) is lost: ${left}, ${found}`);
          // Whoever comes after the last look has made an ordinary edit, which the next scan sees.
          if (outcome?.result === 'done' && left !== edit[2]) assert.equal(left, mine);
        } finally {
          await tree.remove();
        }
      }
    });
  }
}

test('what someone writes through an open descriptor after the file was taken away is found, and it is back', async () => {
  const tree = await scratchTree(null, { 'db/a': 'old' }, memory());
  const { changes } = changesOf([['db/a', 'old', null]]);
  const editor = openSync(tree.at('db/a'), 'r+');
  try {
    const { result } = await onFailingDisk(
      ({ name }) => {
        if (name === 'sync') writeSync(editor, 'late', 0);
        return null;
      },
      (executor) => place({ ...tree, executor }, changes),
    );
    assert.deepEqual(await tree.all(), { 'db/a': 'late' }, 'what was written to a file that is deleted is back');
    assert.equal(result?.[0]?.result, 'target-changed');
  } finally {
    closeSync(editor);
    await tree.remove();
  }
});
