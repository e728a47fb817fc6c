import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, chown, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { connectRunner } from '../../src/runner/client.ts';
import { createDecoder, encode, proofOf } from '../../src/runner/protocol.ts';
import { socketAddress } from '../../src/runner/socket-path.ts';
import { ensureToken } from '../../src/runner/token.ts';
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

it('a token that another user made or can read is not believed, on either side', { skip: needsRoot }, async (t) => {
  const spoiled: Record<string, (token: string) => Promise<void>> = {
    'of another user': (token) => chown(token, NOBODY, NOBODY),
    'of a group': (token) => chmod(token, 0o640),
    'of everybody': (token) => chmod(token, 0o604),
    async 'that is a link'(token) {
      await rename(token, `${token}-real`);
      await symlink(`${token}-real`, token);
    },
  };
  for (const [what, spoil] of Object.entries(spoiled)) {
    const { stateFolder } = await startParts(t);
    await spoil(join(stateFolder, 'token'));
    const refusal = { code: 'STATE', message: /^Others than you/ };
    await assert.rejects(connectRunner(client(stateFolder)), refusal, `a client takes a token ${what}`);
    await assert.rejects(ensureToken(stateFolder), refusal, `a runner takes a token ${what}`);
  }
  survived(t, { cases: 2 * Object.keys(spoiled).length });
});

/** A message as the protocol frames it: its length as four bytes, then JSON. */
function frame(message: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(4);
  head.writeUInt32BE(text.length);
  return Buffer.concat([head, text]);
}

/** Far longer than any limit that is tried here. */
const BOUND = 10_000;

/** Whether the runner ended the connection. */
async function isDropped(socket: Socket): Promise<boolean> {
  const over = new AbortController();
  const closed = new Promise<boolean>((resolve) => socket.on('close', () => resolve(true)));
  const dropped = await Promise.race([closed, setTimeout(BOUND, false, { signal: over.signal }).catch(() => false)]);
  over.abort();
  socket.destroy();
  return dropped;
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
  for (let round = 0; round < rounds && problems.length === 0; round += 20) {
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
        socket.write(hostileBytes(random));
        if (!(await isDropped(socket))) problems.push('The runner let it stay');
        if (/status|report|version|pid/.test(told) || told.includes(token)) problems.push(told);
      }),
    );
  }
  assert.deepEqual(problems, [], 'a stranger was told something, or may stay');
  const runner = await connectRunner(client(parts.stateFolder));
  assert.ok(await runner?.status(), 'the runner still answers');
  runner?.close();
  assert.deepEqual(parts.applied.all, [], 'nothing was run for a stranger');
  survived(t, { cases: rounds });
});

const hello = { t: 'hello', protocol: 1, nonce: 'n' } as const;
const strange: Record<string, Buffer> = {
  'a frame of two gigabytes': Buffer.from([0x7f, 0xff, 0xff, 0xff]),
  'a longer hello than there is': encode({ ...hello, nonce: 'n'.repeat(5_000) }),
  'the beginning of a long message': encode({ ...hello, nonce: 'n'.repeat(5_000) }).subarray(0, 4),
  'no JSON': Buffer.from([0, 0, 0, 1, 0x7b]),
  'a request': encode({ t: 'request', id: 1, do: 'status' }),
  'a wrong proof': Buffer.concat([encode(hello), encode({ t: 'proof', proof: '0'.repeat(64), version: '1', pid: 1, who: 'x' })]),
  'hello twice': Buffer.concat([encode(hello), encode(hello)]),
};

it('what no client of ours sends ends the connection at once, not at the end of its time', async (t) => {
  const parts = await startParts(t, undefined, { handshakeMs: 6 * BOUND, messageMs: 6 * BOUND });
  await Promise.all(
    Object.entries(strange).map(async ([what, bytes]) => {
      const socket = connect({ path: parts.address }).on('error', () => {});
      socket.resume().write(bytes);
      assert.ok(await isDropped(socket), `${what}: the connection is ended`);
    }),
  );
  survived(t, { cases: Object.keys(strange).length });
});

it('who knows the token and does not end a message is dropped as well', async (t) => {
  const parts = await startParts(t, undefined, { handshakeMs: BOUND, messageMs: 100 });
  const token = await ensureToken(parts.stateFolder);
  const socket = connect({ path: parts.address }).on('error', () => {});
  const decoder = createDecoder(10_000);
  socket.on('data', (bytes: Buffer) => {
    for (const message of decoder.push(bytes) as { t: string; nonce: string }[]) {
      const proof = message.t === 'hello' && proofOf(token, 'client', hello.nonce, message.nonce);
      if (proof) socket.write(encode({ t: 'proof', proof, version: '1', pid: 1, who: 'x' }));
      else socket.write(encode({ t: 'request', id: 1, do: 'status' }).subarray(0, 9));
    }
  });
  socket.write(encode(hello));
  assert.ok(await isDropped(socket), 'a message that goes on for ever ends the connection');
  survived(t, { cases: 1 });
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
