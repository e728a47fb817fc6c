import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { loadConfig } from '../../src/config/load.ts';
import { SyncError } from '../../src/core/errors.ts';
import { mybbMappings } from '../../src/presets/mybb.ts';

const presets = { mybb: mybbMappings };
const name = 'sync-run.config.json';

async function scratch(t: TestContext): Promise<{ top: string; outside: string }> {
  const area = await realpath(await mkdtemp(path.join(tmpdir(), 'sync-run-config-')));
  t.after(() => rm(area, { recursive: true }));
  const [top, outside] = [path.join(area, 'top'), path.join(area, 'outside')];
  await mkdir(path.join(top, '.git'), { recursive: true });
  await mkdir(outside);
  return { top, outside };
}

async function refusal(top: string): Promise<SyncError> {
  const error = await loadConfig(top, presets).then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SyncError, `the configuration is refused: ${String(error)}`);
  assert.equal(error.code, 'CONFIG');
  assert.equal(error.exitCode, 2);
  return error;
}

test('reads the file at the top, byte order mark or not', async (t) => {
  const { top } = await scratch(t);
  for (const mark of ['', '\uFEFF']) {
    await writeFile(path.join(top, name), `${mark}{"preset":"mybb"}`);
    const loaded = await loadConfig(top, presets);
    assert.equal(loaded.path, path.join(top, name));
    assert.equal(loaded.root, 'db');
    assert.deepEqual(
      loaded.mappings.map((mapping) => mapping.name),
      ['templates', 'stylesheets'],
    );
  }
});

test('names init where there is no file', async (t) => {
  const { top } = await scratch(t);
  const error = await refusal(top);
  assert.match(error.message, /^There is no "sync-run\.config\.json"/);
  assert.equal(error.hint, 'npx sync-run init');
});

test('follows a link inside the tree and none out of it', async (t) => {
  const { top, outside } = await scratch(t);
  await writeFile(path.join(top, 'real.json'), '{"preset":"mybb"}');
  await symlink('real.json', path.join(top, name));
  assert.equal((await loadConfig(top, presets)).root, 'db');
  for (const target of [path.join(outside, 'c.json'), path.join(top, '.git', 'c.json')]) {
    await writeFile(target, '{"preset":"mybb"}');
    await rm(path.join(top, name));
    await symlink(target, path.join(top, name));
    assert.match((await refusal(top)).message, /leads out of the working tree/);
  }
});

test('a working tree may itself be reached by a link', async (t) => {
  const { top, outside } = await scratch(t);
  await writeFile(path.join(top, name), '{"preset":"mybb"}');
  await symlink(top, path.join(outside, 'link'));
  assert.equal((await loadConfig(path.join(outside, 'link'), presets)).root, 'db');
});

test('refuses what is no readable text', async (t) => {
  const { top } = await scratch(t);
  const file = path.join(top, name);
  await writeFile(file, Uint8Array.from([0x7b, 0xff, 0x7d]));
  assert.match((await refusal(top)).message, /not valid UTF-8/);
  await writeFile(file, ' '.repeat(1024 * 1024 + 1));
  assert.match((await refusal(top)).message, /larger than/);
  await rm(file);
  await mkdir(file);
  assert.match((await refusal(top)).message, /not a regular file/);
  if (process.platform === 'win32') return;
  await rm(file, { recursive: true });
  await promisify(execFile)('mkfifo', [file]);
  assert.match((await refusal(top)).message, /not a regular file/);
});
