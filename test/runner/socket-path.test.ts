import assert from 'node:assert/strict';
import { chmod, chown, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { socketAddress } from '../../src/runner/socket-path.ts';
import type { Surroundings } from '../../src/runner/socket-path.ts';
import { scratchFolder } from '../helpers/runner-parts.ts';

const uid = process.getuid?.() ?? null;
const posix = { skip: uid === null };

async function surroundings(
  t: Parameters<typeof scratchFolder>[0],
): Promise<Surroundings & { gitDir: string; runtimeDir: string; home: string }> {
  const scratch = await scratchFolder(t);
  const made = {
    runtimeDir: join(scratch, 'run'),
    home: join(scratch, 'home'),
    tmpdir: join(scratch, 'tmp'),
    gitDir: join(scratch, 'git'),
  };
  for (const folder of Object.values(made)) await mkdir(folder, { mode: 0o700 });
  return { platform: 'linux', uid, ...made };
}

test('the runtime folder comes first, with a private folder and a short name that a link does not change', posix, async (t) => {
  const around = await surroundings(t);
  const address = await socketAddress(around.gitDir, around);
  assert.match(address.slice(around.runtimeDir.length), /^\/sync-run\/[0-9a-f]{16}\.sock$/);
  assert.equal((await stat(dirname(address))).mode & 0o777, 0o700);
  await symlink(around.gitDir, join(around.home, 'link'));
  assert.equal(await socketAddress(join(around.home, 'link'), around), address);
  const other = join(around.home, 'other');
  await mkdir(other);
  assert.notEqual(await socketAddress(other, around), address);
});

test('without a runtime folder it is the cache, then the temporary folder', posix, async (t) => {
  const around = await surroundings(t);
  assert.equal(dirname(await socketAddress(around.gitDir, { ...around, runtimeDir: undefined })), join(around.home, '.cache', 'sync-run'));
  assert.equal(
    dirname(await socketAddress(around.gitDir, { ...around, runtimeDir: 'relative', home: undefined })),
    join(around.tmpdir, `sync-run-${uid}`),
  );
  assert.equal(
    dirname(await socketAddress(around.gitDir, { ...around, runtimeDir: join(around.home, 'none') })),
    join(around.home, '.cache', 'sync-run'),
  );
});

for (const length of [60, 70, 80, 100, 200]) {
  test(`a runtime folder ${length} bytes deep gives a path of less than 100 bytes`, posix, async (t) => {
    const around = await surroundings(t);
    const deep = join(around.runtimeDir, 'x'.repeat(Math.max(1, length - around.runtimeDir.length - 1)));
    await mkdir(deep);
    const address = await socketAddress(around.gitDir, { ...around, runtimeDir: deep });
    assert.ok(Buffer.byteLength(address) < 100);
    assert.equal(address.startsWith(deep), Buffer.byteLength(deep) + '/sync-run/0123456789abcdef.sock'.length < 100);
  });
}

const bad: Record<string, (folder: string) => Promise<void>> = {
  'is open to others': async (folder) => {
    await mkdir(folder);
    await chmod(folder, 0o750);
  },
  'is a file': async (folder) => {
    await writeFile(folder, '', { mode: 0o600 });
  },
  'is a link': async (folder) => {
    await mkdir(`${folder}-real`, { mode: 0o700 });
    await symlink(`${folder}-real`, folder);
  },
  'belongs to somebody else': async (folder) => {
    await mkdir(folder, { mode: 0o700 });
    await chown(folder, 12_345, 12_345);
  },
};
for (const [name, spoil] of Object.entries(bad)) {
  test(
    `a folder that ${name} is passed over, and named when none is left`,
    { skip: uid === null || (name.startsWith('belongs') && uid !== 0) },
    async (t) => {
      const around = await surroundings(t);
      await spoil(join(around.runtimeDir, 'sync-run'));
      assert.ok((await socketAddress(around.gitDir, around)).startsWith(around.home), `a folder that ${name} is not taken`);
      await spoil(join(around.tmpdir, `sync-run-${uid}`));
      await assert.rejects(
        socketAddress(around.gitDir, { ...around, home: undefined }),
        (error: Error & { details: string[] }) => error.details.length === 2,
      );
    },
  );
}

test('on Windows it is a pipe that cannot be guessed', async (t) => {
  const around = await surroundings(t);
  const one = await socketAddress(around.gitDir, { ...around, platform: 'win32' });
  assert.match(one, /^\\\\\.\\pipe\\sync-run-[0-9a-f]{16}-[0-9a-f]{16}$/);
  assert.notEqual(one, await socketAddress(around.gitDir, { ...around, platform: 'win32' }));
});
