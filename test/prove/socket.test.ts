import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { connectRunner } from '../../src/runner/client.ts';
import { socketAddress } from '../../src/runner/socket-path.ts';
import { client, scratchFolder, startParts } from '../helpers/runner-parts.ts';
import { full, randomFrom, seed, survived } from './cases.ts';

/** The user who owns nothing. */
const NOBODY = 65_534;
const needsRoot = (process.platform !== 'linux' || process.getuid?.() !== 0) && 'needs root on Linux, to be another user';

/** Runs a script as that user; what it said and how it ended. */
async function asNobody(script: string, ...args: string[]): Promise<{ said: string; code: number | null }> {
  const child = spawn('/bin/sh', ['-c', script, 'sh', ...args], { uid: NOBODY, gid: NOBODY, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { said, code };
}

/** Lets everybody into the folders above, so that nothing but the tool's own care keeps them out. */
async function openUp(t: TestContext, folder: string): Promise<void> {
  for (let at = folder; at !== dirname(at); at = dirname(at)) {
    const { mode } = await stat(at);
    if ((mode & 0o005) === 0o005) return;
    await chmod(at, mode | 0o055);
    t.after(() => chmod(at, mode).catch((error: NodeJS.ErrnoException) => assert.equal(error.code, 'ENOENT')));
  }
}

const connectScript = `exec perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "$!\\n"; print "connected\\n"' "$1"`;

it('another user reads, reaches and replaces nothing of a runner', { skip: needsRoot }, async (t) => {
  const parts = await startParts(t);
  await openUp(t, parts.scratch);
  const { address, stateFolder, runtimeDir } = parts;
  const token = join(stateFolder, 'token');
  for (const folder of [stateFolder, runtimeDir]) await chmod(folder, 0o755);
  const attempts: [what: string, script: string, path: string][] = [
    ['connect', connectScript, address],
    ['list the folder of the socket', 'ls "$1"', dirname(address)],
    ['remove the socket', 'rm -f "$1"', address],
    ['put another one in its place', 'mv /dev/null "$1"', address],
    ['make a file beside it', 'echo x >"$1/x"', dirname(address)],
    ['read the token', 'cat "$1"', token],
    ['change the token', 'echo x >"$1"', token],
  ];
  for (const [what, script, path] of attempts) {
    const { said, code } = await asNobody(script, path);
    assert.notEqual(code, 0, `${what}: ${said}`);
    assert.match(said, /Permission denied|Operation not permitted/, `${what} is refused by the kernel: ${said}`);
  }
  const control = await asNobody('ls "$1"', parts.scratch);
  assert.equal(control.code, 0, `the user gets as far as the scratch folder: ${control.said}`);
  const runner = await connectRunner(client(stateFolder));
  assert.ok(await runner?.status(), 'its owner still reaches it');
  runner?.close();
  survived(t, { cases: attempts.length });
});

it('what another user prepared where the socket would go is not used', { skip: needsRoot }, async (t) => {
  const plants: Record<string, string> = {
    'a folder': 'mkdir -m 700 "$1"',
    'a folder for all': 'mkdir -m 777 "$1"',
    'a link to a folder': 'mkdir "$1-real" && ln -s "$1-real" "$1"',
    'a link to nothing': 'ln -s /nonexistent "$1"',
    'a file': 'echo x >"$1"',
    'a pipe': 'mkfifo "$1"',
  };
  for (const [what, script] of Object.entries(plants)) {
    const scratch = await scratchFolder(t);
    await openUp(t, scratch);
    const shared = join(scratch, 'tmp');
    const gitDir = join(scratch, 'git');
    await mkdir(gitDir);
    await mkdir(shared);
    await chmod(shared, 0o1777);
    const planted = await asNobody(script, join(shared, 'sync-run-0'));
    assert.equal(planted.code, 0, planted.said);
    const place = { platform: process.platform, uid: 0, runtimeDir: undefined, home: undefined, tmpdir: shared };
    await assert.rejects(socketAddress(gitDir, place), { code: 'IO', message: /no private folder/ }, what);
    const home = join(scratch, 'home');
    await mkdir(home);
    assert.ok((await socketAddress(gitDir, { ...place, home })).startsWith(home), `${what}: another place is taken`);
  }
  survived(t, { cases: Object.keys(plants).length });
});

/** A message as the protocol frames it: its length as four bytes, then JSON. */
function frame(message: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(text.length);
  return Buffer.concat([head, text]);
}

/** Frames and what looks like them: random bytes, lengths that lie, messages of the wrong shape, well-formed ones cut short. */
function hostileBytes(random: () => number): Buffer {
  const below = (limit: number): number => Math.floor(random() * limit);
  const noise = Buffer.from(Array.from({ length: below(200) }, () => below(256)));
  const kinds: (() => Buffer)[] = [
    () => noise,
    () => {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(below(2 ** 32));
      return Buffer.concat([head, noise]);
    },
    () =>
      frame({
        t: ['hello', 'proof', 'request', 'cancel', 'x', null][below(6)],
        id: [1, -1, 'x', {}, null][below(5)],
        do: noise.toString('latin1'),
      }),
    () => frame({ t: 'hello', protocol: below(3), nonce: 'n'.repeat(below(80)) }),
    () =>
      Buffer.concat([
        frame({ t: 'hello', protocol: 1, nonce: 'n' }),
        frame({ t: 'proof', proof: 'f'.repeat(below(70)), version: '1', pid: 1, who: 'x' }),
      ]),
    () => frame([[[[[]]]], 1, 'x'][below(3)]),
    () => frame({ t: 'hello', protocol: 1, nonce: 'n' }).subarray(0, 1 + below(20)),
  ];
  return kinds[below(kinds.length)]!();
}

it('a client that sends anything at all learns nothing, and the runner goes on', async (t) => {
  const problems: unknown[] = [];
  const parts = await startParts(t, undefined, { handshakeMs: 20, messageMs: 20 });
  const random = randomFrom(seed);
  const rounds = full ? 2_000 : 200;
  const token = (await readFile(join(parts.stateFolder, 'token'), 'utf8')).trim();
  for (let round = 0; round < rounds; round += 20) {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const socket = connect({ path: parts.address });
        let told = '';
        socket
          .on('error', () => {})
          .on('data', (bytes: Buffer) => {
            told += bytes.toString('latin1');
            if (/status|report|version|pid/.test(told)) socket.destroy();
          });
        const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
        socket.write(hostileBytes(random));
        await closed;
        if (/status|report|version|pid/.test(told) || told.includes(token)) problems.push(told);
      }),
    );
  }
  assert.deepEqual(problems, [], 'a stranger was told something');
  const runner = await connectRunner(client(parts.stateFolder));
  assert.ok(await runner?.status(), 'the runner still answers');
  runner?.close();
  assert.deepEqual(parts.applied.all, [], 'nothing was run for a stranger');
  survived(t, { cases: rounds });
});

it('a working tree as deep as the system allows has a socket of its own', async (t) => {
  const scratch = await scratchFolder(t);
  const runtimeDir = join(scratch, 'run');
  await mkdir(runtimeDir, { mode: 0o700 });
  const place = { platform: process.platform, uid: process.getuid?.() ?? null, runtimeDir, home: undefined, tmpdir: scratch };
  const addresses = new Set<string>();
  let cases = 0;
  for (let depth = 60; depth <= 200; depth += full ? 1 : 10) {
    const gitDir = join(scratch, 'd'.repeat(100), 'e'.repeat(depth));
    await mkdir(gitDir, { recursive: true });
    const address = await socketAddress(gitDir, place);
    assert.ok(Buffer.byteLength(address) < 104, `"${address}" fits in the address of a socket`);
    const link = join(scratch, `link${depth}`);
    await symlink(gitDir, link);
    assert.equal(await socketAddress(link, place), address, 'the same tree by another way has the same socket');
    addresses.add(address);
    cases += 1;
    await rm(link);
  }
  assert.equal(addresses.size, cases, 'no two trees share a socket');
  survived(t, { cases });
});
