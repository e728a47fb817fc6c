import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, open, realpath, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { isEditorFile } from '../../src/core/editor-files.ts';
import { systemClock } from '../../src/watch/clock.ts';
import { observe } from '../../src/watch/observe.ts';
import { startSettler } from '../../src/watch/settler.ts';
import type { Settled } from '../../src/watch/settle.ts';
import { watchTree } from '../../src/watch/watcher.ts';
import type { Hint, TreeWatchOptions } from '../../src/watch/watcher.ts';
import { createSeen } from '../helpers/seen.ts';

async function scratch(t: TestContext): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sync-run-watch-')));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A watched tree `db` below a fresh folder, with what was told about it. */
async function watched(t: TestContext, prepare: (folder: string) => Promise<void>, more: Partial<TreeWatchOptions> = {}) {
  const folder = await scratch(t);
  await prepare(folder);
  const hints = createSeen<Hint>();
  const everything = createSeen<string>();
  const warnings = createSeen<string>();
  const settled = createSeen<Settled>();
  const settler = startSettler({
    clock: systemClock,
    read: (paths) => observe(folder, paths),
    onSettled: (one) => settled.add(one),
  });
  const watcher = await watchTree({
    folder,
    root: join(folder, 'db'),
    ignored: isEditorFile,
    clock: systemClock,
    onHint: (hint) => {
      hints.add(hint);
      settler.hint(hint.path);
    },
    onEverything: (reason) => everything.add(reason),
    onWarning: (message) => warnings.add(message),
    ...more,
  });
  t.after(async () => {
    settler.close();
    await watcher.close();
  });
  const paths = (): Set<string> => new Set(settled.all.flatMap((one) => one.paths));
  return { folder, hints, everything, warnings, settled, watcher, paths, at: (name: string) => join(folder, 'db', name) };
}

const oneFile = async (folder: string): Promise<void> => {
  await mkdir(join(folder, 'db'));
  await writeFile(join(folder, 'db', 'a.html'), 'old');
};

test('files added, changed and removed are told, new folders included', async (t) => {
  const { hints, at } = await watched(t, oneFile);
  await writeFile(at('a.html'), 'new');
  await mkdir(at('x/y/z'), { recursive: true });
  await writeFile(at('x/y/z/b.html'), 'b');
  await hints.until((all) => all.some(({ path }) => path === 'db/a.html') && all.some(({ path }) => path === 'db/x/y/z/b.html'));
  await rm(at('a.html'));
  await hints.until((all) => all.some(({ path, kind }) => path === 'db/a.html' && kind === 'vanished'));
});

test('a root that does not exist yet is watched once it does', async (t) => {
  const { hints, at } = await watched(t, async () => {});
  await mkdir(at('pages'), { recursive: true });
  await writeFile(at('pages/a.html'), 'a');
  await hints.until((all) => all.some(({ path }) => path === 'db/pages/a.html'));
});

const editors: Record<string, (at: (name: string) => string) => Promise<void>> = {
  'VS Code: truncate, then write': async (at) => {
    const file = await open(at('a.html'), 'r+');
    await file.truncate(0);
    await file.write('new text');
    await file.close();
  },
  'vim: probe, move to a backup, write anew': async (at) => {
    await writeFile(at('4913'), '');
    await rm(at('4913'));
    await writeFile(at('.a.html.swp'), 'swap');
    await rename(at('a.html'), at('a.html~'));
    await writeFile(at('a.html'), 'new text');
    await rm(at('a.html~'));
    await rm(at('.a.html.swp'));
  },
  'JetBrains: temporary file, two renames': async (at) => {
    await writeFile(at('a.html___jb_tmp___'), 'new text');
    await rename(at('a.html'), at('a.html___jb_old___'));
    await rename(at('a.html___jb_tmp___'), at('a.html'));
    await rm(at('a.html___jb_old___'));
  },
  'GNOME: temporary file and rename': async (at) => {
    await writeFile(at('.goutputstream-ABC123'), 'new text');
    await rename(at('.goutputstream-ABC123'), at('a.html'));
  },
};
for (const [name, save] of Object.entries(editors)) {
  test(`${name}: one path settles, with the new text`, async (t) => {
    const { settled, hints, paths, at, folder } = await watched(t, oneFile);
    await save(at);
    await settled.until(() => paths().has('db/a.html'));
    assert.deepEqual([...paths()], ['db/a.html']);
    assert.ok(
      hints.all.every(({ path }) => path === 'db/a.html'),
      JSON.stringify(hints.all),
    );
    assert.equal((await observe(folder, ['db/a.html'])).get('db/a.html')?.kind, 'content');
  });
}

test('a save whose write comes after the truncation was seen settles only as written', async (t) => {
  const { settled, hints, at } = await watched(t, oneFile);
  await truncate(at('a.html'), 0);
  await hints.until((all) => all.length > 0);
  assert.equal(settled.all.length, 0);
  await appendFile(at('a.html'), 'new text');
  await settled.until((all) => all.length > 0);
  assert.deepEqual(settled.all, [{ paths: ['db/a.html'], everything: null }]);
});

test('a thousand files written at once settle in three batches at most, none missed', async (t) => {
  const { settled, paths, at } = await watched(t, oneFile);
  await mkdir(at('many'));
  await Promise.all(Array.from({ length: 1_000 }, (_unused, n) => writeFile(at(`many/f${n}`), `text ${n}`)));
  await settled.until(() => paths().size === 1_000);
  assert.ok(settled.all.length <= 3, `${settled.all.length} batches`);
});

test("links are not followed and git's own folder is not watched", async (t) => {
  const { hints, at, folder } = await watched(t, async (base) => {
    await oneFile(base);
    await mkdir(join(base, 'outside'));
    await mkdir(join(base, 'db', '.git'));
    await symlink(join(base, 'outside'), join(base, 'db', 'link'));
  });
  await writeFile(join(folder, 'outside', 'secret'), 'x');
  await writeFile(at('.git/HEAD'), 'x');
  await writeFile(at('a.html'), 'last');
  await hints.until((all) => all.some(({ path }) => path === 'db/a.html'));
  assert.ok(
    hints.all.every(({ path }) => path === 'db/a.html'),
    JSON.stringify(hints.all),
  );
});

test('polling sees the same', async (t) => {
  const { settled, paths, at, watcher } = await watched(t, oneFile, { polling: true });
  assert.equal(watcher.mode(), 'polling');
  await writeFile(at('a.html'), 'a longer text');
  await writeFile(at('b.html'), 'b');
  await settled.until(() => paths().has('db/a.html') && paths().has('db/b.html'));
});
