import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdir, readFile, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SyncError } from '../../src/core/errors.ts';
import { connectRunner, RunnerLeft } from '../../src/runner/client.ts';
import type { RunnerConnection } from '../../src/runner/client.ts';
import { createDecoder, encode } from '../../src/runner/protocol.ts';
import { startServer } from '../../src/runner/server.ts';
import { client, manifestOf, startParts } from '../helpers/runner-parts.ts';
import { createSeen } from '../helpers/seen.ts';

async function reach(stateFolder: string): Promise<RunnerConnection> {
  const runner = await connectRunner(client(stateFolder));
  assert.ok(runner);
  return runner;
}

test('a manifest goes in, progress and report come back', async (t) => {
  const parts = await startParts(t, async (manifest, { onProgress, options }) => {
    onProgress({ step: 'scan', done: 1, total: 2 });
    return { options, paths: manifest.entries?.map(({ path }) => path) };
  });
  const runner = await reach(parts.stateFolder);
  assert.equal(runner.version, '1.2.3');
  assert.equal(runner.pid, process.pid);
  const progress: unknown[] = [];
  const report = await runner.submit(manifestOf(['a\nb', 'ü']), { options: { dryRun: true }, onProgress: (one) => progress.push(one) });
  assert.deepEqual(report, { options: { dryRun: true }, paths: ['a\nb', 'ü'] });
  assert.deepEqual(progress, [{ step: 'scan', done: 1, total: 2 }]);
  runner.close();
  await runner.closed;
});

test('manifests and reports of many megabytes pass', async (t) => {
  const parts = await startParts(t);
  const runner = await reach(parts.stateFolder);
  const paths = Array.from({ length: 60_000 }, (_unused, n) => `templates/set/a-rather-long-name-of-a-template-${n}.html`);
  assert.deepEqual(await runner.submit(manifestOf(paths)), { paths });
  runner.close();
});

test('an error arrives with its code, hint and details', async (t) => {
  const parts = await startParts(t, () => Promise.reject(new SyncError('MASS_CHANGE', 'Too much', { hint: 'x', details: ['a', 'b'] })));
  const runner = await reach(parts.stateFolder);
  await assert.rejects(runner.submit(manifestOf(['a'])), {
    name: 'SyncError',
    code: 'MASS_CHANGE',
    exitCode: 4,
    message: 'Too much',
    hint: 'x',
    details: ['a', 'b'],
  });
  await assert.rejects(runner.submit({ ...manifestOf(['a']), source: 'nobody' as 'cli' }), { code: 'USAGE' });
  runner.close();
});

test('without a runner, or after it was killed, there is nobody', async (t) => {
  const parts = await startParts(t);
  await parts.close();
  assert.equal(await connectRunner(client(parts.stateFolder)), null);
  // What a killed runner leaves behind: the file that names the socket, and a socket nobody listens on.
  const own = `${parts.address}.x`;
  const stale = createServer().listen(own);
  await once(stale, 'listening');
  await rename(own, parts.address);
  stale.close();
  await writeFile(join(parts.stateFolder, 'socket'), `${parts.address}\n`);
  assert.ok((await lstat(parts.address)).isSocket());
  assert.equal(await connectRunner(client(parts.stateFolder)), null);
  // The next runner takes the place.
  const next = await startServer({
    lock: { holder: {} },
    stateFolder: parts.stateFolder,
    address: async () => parts.address,
    version: '1.2.3',
    handlers: parts.handlers,
  });
  const runner = await reach(parts.stateFolder);
  runner.close();
  await next.close();
});

test("a runner that closes leaves no socket; it does not take a successor's away", async (t) => {
  const parts = await startParts(t);
  const { stateFolder, address, handlers, runtimeDir } = parts;
  const successor = `${address}.next`;
  const other = createServer().listen(successor);
  await once(other, 'listening');
  await rename(successor, address);
  await parts.close();
  assert.ok((await lstat(address)).isSocket());
  other.close();
  const next = await startServer({ lock: { holder: {} }, stateFolder, address: async () => address, version: '1', handlers });
  await next.close();
  assert.deepEqual(await readdir(join(runtimeDir, 'sync-run')), []);
  assert.deepEqual(await readdir(stateFolder), ['token']);
});

test('a server that cannot say where it listens does not listen', async (t) => {
  const { stateFolder, address, handlers, close } = await startParts(t);
  await close();
  await mkdir(join(stateFolder, 'socket', 'x'), { recursive: true });
  const options = { stateFolder, address: async () => address, version: '1', handlers };
  await assert.rejects(startServer({ ...options, lock: { holder: {} } }), {
    code: 'IO',
    message: /^Saying where the runner listens failed: /,
  });
  await assert.rejects(lstat(address), { code: 'ENOENT' });
});

test('a second server is refused while somebody listens, and without the lock', async (t) => {
  const { stateFolder, address, handlers } = await startParts(t);
  const options = { stateFolder, address: async () => address, version: '1', handlers };
  await assert.rejects(startServer({ ...options, lock: { holder: {} } }), { code: 'LOCKED' });
  await assert.rejects(startServer({ ...options, lock: { holder: null } }), { code: 'INTERNAL' });
});

test('a lease ends with its client, also when that is killed', async (t) => {
  const parts = await startParts(t);
  const child = fileURLToPath(new URL('../helpers/lease-child.ts', import.meta.url));
  const args = 'Deno' in globalThis ? ['run', '-A', '--no-check', child] : [child];
  const process_ = spawn(process.execPath, [...args, parts.stateFolder], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(process_.stdout, 'data');
  const [reason] = parts.gate.reasons();
  assert.deepEqual([reason?.kind, reason?.who, reason?.why], ['lease', `a child (process ${process_.pid})`, 'testing']);
  const waits = parts.queue.submit(manifestOf(['a'], { source: 'watcher' }));
  const runner = await reach(parts.stateFolder);
  await runner.submit(manifestOf(['typed']));
  assert.deepEqual(
    parts.applied.all.map(({ source }) => source),
    ['cli'],
  );
  process_.kill('SIGKILL');
  await parts.seen.until((all) => all.some(({ type }) => type === 'resumed'));
  await waits.report;
  assert.equal(parts.gate.past()[0]?.why, 'testing');
  runner.close();
});

test('a lease is granted when the batch in hand is over, and may be given back', async (t) => {
  const { promise: gone, resolve: go } = Promise.withResolvers<void>();
  const parts = await startParts(t, () => gone);
  parts.queue.submit(manifestOf(['a'], { source: 'watcher' }));
  await parts.applied.until((all) => all.length === 1);
  const runner = await reach(parts.stateFolder);
  let held = false;
  const lease = runner.hold('export').then((release) => {
    held = true;
    return release;
  });
  await parts.seen.until((all) => all.some(({ type }) => type === 'paused'));
  await runner.status();
  assert.equal(held, false);
  go();
  const release = await lease;
  release();
  await parts.seen.until((all) => all.some(({ type }) => type === 'resumed'));
  assert.deepEqual(parts.gate.reasons(), []);
  runner.close();
});

test('pause and resume over the socket are durable and idempotent', async (t) => {
  const parts = await startParts(t);
  const runner = await reach(parts.stateFolder);
  const first = await runner.pause('maintenance');
  assert.deepEqual(await runner.pause('again'), first);
  assert.deepEqual(JSON.parse(await readFile(join(parts.stateFolder, 'pause.json'), 'utf8')), first);
  assert.equal(parts.gate.reasons()[0]?.kind, 'pause');
  assert.equal(((await runner.resume()) as { why: string }).why, 'maintenance');
  assert.equal(await runner.resume(), null);
  assert.deepEqual(parts.gate.reasons(), []);
  assert.deepEqual(
    parts.seen.all.map(({ type }) => type),
    ['paused', 'resumed'],
  );
  runner.close();
});

test('events of the past and the present are told until the subscriber stops', async (t) => {
  const parts = await startParts(t);
  parts.events.emit({ type: 'warning', message: 'before' });
  const runner = await reach(parts.stateFolder);
  const told = createSeen<{ type: string; message?: string }>();
  const stop = new AbortController();
  const over = runner.subscribe((event) => told.add(event as { type: string }), stop.signal);
  await told.until((all) => all.length === 1);
  parts.events.emit({ type: 'warning', message: 'after' });
  await told.until((all) => all.length === 2);
  stop.abort();
  await over;
  assert.deepEqual(
    told.all.map(({ message }) => message),
    ['before', 'after'],
  );
  runner.close();
});

test('a hook that leaves without waiting is applied nevertheless; a command that leaves is not', async (t) => {
  const parts = await startParts(t);
  parts.git.operations = ['index.lock'];
  const runner = await reach(parts.stateFolder);
  const deferred = createSeen<unknown>();
  const hook = runner.submit(manifestOf(['hook'], { source: 'hook', hook: 'post-merge' }), { onDeferred: (why) => deferred.add(why) });
  const typed = runner.submit(manifestOf(['typed']), { onDeferred: (why) => deferred.add(why) });
  await deferred.until((all) => all.length === 2);
  runner.close();
  await assert.rejects(hook, RunnerLeft);
  await assert.rejects(typed, RunnerLeft);
  const other = await reach(parts.stateFolder);
  parts.git.operations = [];
  parts.gate.hint();
  await other.submit(manifestOf(['last']));
  // What a hook left behind waits until git is quiet, which a typed command does not.
  await parts.applied.until((all) => all.length === 2);
  assert.deepEqual(new Set(parts.applied.all.map(({ entries }) => entries?.[0]?.path)), new Set(['hook', 'last']));
  other.close();
});

test('asked to leave, the runner answers what it has in hand, refuses the rest, and is gone', async (t) => {
  const { promise: gone, resolve: go } = Promise.withResolvers<void>();
  const parts = await startParts(t, () => gone.then(() => 'report'));
  const runner = await reach(parts.stateFolder);
  const inHand = runner.submit(manifestOf(['a']));
  await parts.applied.until((all) => all.length === 1);
  const waiting = runner.submit(manifestOf(['b']));
  const stopper = await reach(parts.stateFolder);
  const left = stopper.stop('version 2 takes over');
  await assert.rejects(waiting, RunnerLeft);
  await assert.rejects(runner.submit(manifestOf(['c'])), RunnerLeft);
  go();
  assert.equal(await inHand, 'report');
  await left;
  await runner.closed;
  assert.deepEqual(parts.left.all, ['version 2 takes over']);
  await parts.close();
  assert.equal(await connectRunner(client(parts.stateFolder)), null);
});

/** A raw connection: what it is sent, and a promise for its end. */
function raw(address: string) {
  const socket = connect({ path: address });
  const decoder = createDecoder(1_000_000);
  const told = createSeen<Record<string, unknown>>();
  socket.on('data', (bytes: Buffer) => decoder.push(bytes).forEach((one) => told.add(one as Record<string, unknown>)));
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  return { socket, told, closed };
}

const strangers: Record<string, (socket: ReturnType<typeof connect>) => void> = {
  'a wrong proof': (socket) => {
    socket.write(encode({ t: 'hello', protocol: 1, nonce: 'n' }));
    socket.write(encode({ t: 'proof', proof: '0'.repeat(64), version: '1', pid: 1, who: 'x' }));
  },
  'a request before the handshake': (socket) => socket.write(encode({ t: 'request', id: 1, do: 'status' })),
  'an oversize frame': (socket) => socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff])),
  'a long message of a stranger': (socket) => socket.write(encode({ t: 'hello', protocol: 1, nonce: 'n'.repeat(5_000) })),
  'no JSON': (socket) => socket.write(Buffer.from([0, 0, 0, 1, 0x7b])),
  'half a frame, and then nothing': (socket) => socket.write(Buffer.from([0, 0, 0, 9, 0x7b])),
  'nothing at all': () => {},
};
for (const [name, send] of Object.entries(strangers)) {
  test(`${name} ends the connection, tells nothing of the tree, and the runner goes on`, async (t) => {
    const parts = await startParts(t, undefined, { handshakeMs: 50, messageMs: 50 });
    const { socket, told, closed } = raw(parts.address);
    socket.on('connect', () => send(socket));
    await closed;
    assert.ok(
      told.all.every((one) => one.t === 'hello' && !('version' in one) && !('pid' in one)),
      JSON.stringify(told.all),
    );
    const runner = await reach(parts.stateFolder);
    assert.ok(await runner.status());
    runner.close();
  });
}

test('a client that began a message and does not end it is dropped', async (t) => {
  const parts = await startParts(t, undefined, { messageMs: 30 });
  const runner = await reach(parts.stateFolder);
  const before = parts.server.clients();
  const slow = raw(parts.address);
  slow.socket.on('connect', () => slow.socket.write(Buffer.from([0])));
  await slow.closed;
  assert.equal(before, 1);
  assert.ok(await runner.status());
  runner.close();
});

test('a listener that does not know the token is not spoken to', async (t) => {
  const parts = await startParts(t);
  await parts.close();
  const impostor = createServer((socket) => {
    socket.on('error', () => {}).resume();
    socket.write(encode({ t: 'hello', protocol: 1, nonce: 'n', proof: '0'.repeat(64) }));
  }).listen(parts.address);
  await once(impostor, 'listening');
  t.after(() => impostor.close());
  await writeFile(join(parts.stateFolder, 'socket'), parts.address);
  await assert.rejects(connectRunner(client(parts.stateFolder)), { code: 'IO', message: /is not the runner/ });
});

test('a listener that says nothing costs no more than the deadline', async (t) => {
  const parts = await startParts(t);
  await parts.close();
  const hung = createServer((socket) => socket.on('error', () => {}).resume()).listen(parts.address);
  await once(hung, 'listening');
  t.after(() => hung.close());
  await writeFile(join(parts.stateFolder, 'socket'), parts.address);
  await assert.rejects(connectRunner({ ...client(parts.stateFolder), deadline: 50 }), { code: 'LOCKED', exitCode: 6 });
});

test('a socket in a folder that others can enter, or behind a link, is not used', { skip: process.platform === 'win32' }, async (t) => {
  const parts = await startParts(t);
  const folder = join(parts.runtimeDir, 'sync-run');
  await chmod(folder, 0o755);
  await assert.rejects(connectRunner(client(parts.stateFolder)), { code: 'IO', message: /mode is 755/ });
  await chmod(folder, 0o700);
  await rename(folder, `${folder}-real`);
  await symlink(`${folder}-real`, folder);
  await assert.rejects(connectRunner(client(parts.stateFolder)), { code: 'IO', message: /symbolic link/ });
  await chmod(join(parts.stateFolder, 'token'), 0o644);
  await rm(folder);
  await rename(`${folder}-real`, folder);
  await assert.rejects(connectRunner(client(parts.stateFolder)), { code: 'STATE', message: /token/ });
});
