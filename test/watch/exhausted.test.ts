import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const LIMIT = 'echo 20 > /proc/sys/user/max_inotify_watches';

/** The limit of watches is per user namespace: a fresh one can be made scarce without touching anybody else. */
async function canLimit(): Promise<boolean> {
  try {
    await run('unshare', ['-Ur', 'sh', '-c', LIMIT]);
    return true;
  } catch {
    return false;
  }
}

test('without watches to give the tree is polled, loudly, and changes still arrive', async (t) => {
  if (!(await canLimit())) {
    t.skip('no user namespaces here');
    return;
  }
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sync-run-watch-')));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (let n = 0; n < 60; n += 1) {
    await mkdir(join(folder, 'db', `d${n}`), { recursive: true });
    await writeFile(join(folder, 'db', `d${n}`, 'f'), 'old');
  }
  const child = fileURLToPath(new URL('../helpers/watch-child.ts', import.meta.url));
  const runtime = 'Deno' in globalThis ? `"${process.execPath}" run -A --no-check` : `"${process.execPath}"`;
  const { stdout } = await run('unshare', ['-Ur', 'sh', '-c', `${LIMIT} && exec ${runtime} "${child}" "${folder}"`]);
  const told = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string; text: string });
  assert.match(told.find(({ kind }) => kind === 'warning')?.text ?? '', /no more file watches/);
  assert.ok(
    told.some(({ kind }) => kind === 'everything'),
    stdout,
  );
  assert.ok(
    told.some(({ kind, text }) => kind === 'hint' && text === 'db/d59/f'),
    stdout,
  );
});
