import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { watch } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { acquireLock } from '../../src/state/lock.ts';
import { cliCommand } from '../helpers/cli.ts';
import { createProject } from '../helpers/cli-project.ts';

test('a large document through a pipe is whole', async (t) => {
  const pages = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`page${n}`, 'x\n']));
  const project = await createProject(t, { pages });
  for (const slug of Object.keys(pages)) await project.write(`db/pages/${slug}.html`, `${slug}\n${'0123456789abcdef\n'.repeat(20_000)}`);
  const { code, stdout } = await project.cli(['diff', '--json']);
  assert.equal(code, 0);
  assert.ok(stdout.length > 4_000_000);
  assert.equal((JSON.parse(stdout) as unknown[]).length, 12);
});

test('a reader that stops early is no failure', async (t) => {
  const project = await createProject(t);
  await project.write('db/pages/home.html', '0123456789abcdef\n'.repeat(100_000));
  const [program, ...first] = cliCommand();
  const child = spawn(program, [...first, 'diff'], { cwd: project.path, env: project.env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
  child.stdout.once('data', () => child.stdout.destroy());
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
});

const signals = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

for (const [signal, exit] of signals) {
  test(`${signal} ends the wait for the lock`, async (t) => {
    const project = await createProject(t);
    const state = join(project.path, '.git/sync-run');
    const lock = await acquireLock(state, { timeoutMs: 0, holder: { command: 'a test' } });
    t.after(() => lock.release());
    // SQLite makes this file when the state is opened for writing, long after signals are listened to.
    const opened = appearance(state, 'state.db-wal');
    const { code, stdout, stderr } = await project.cli(['sync', '--json'], {
      started: (child) => void opened.then(() => child.kill(signal)),
    });
    assert.equal(code, exit, stderr);
    assert.match(stderr, new RegExp(`Stopping[^]*sync-run: Stopped by ${signal}`));
    assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, 'INTERRUPTED');
    assert.doesNotMatch(stderr, /\bat .*:\d+:\d+/);
  });

  test(`${signal} ends the wait for standard input`, async (t) => {
    const project = await createProject(t);
    // More than a pipe holds: once it is drained, somebody reads.
    const { code, stderr } = await project.cli(['init', '--url', '-'], {
      // Deno's own `kill` also closes the pipe.
      started: (child) => void child.stdin!.write('x'.repeat(1_000_000), () => process.kill(child.pid!, signal)),
      input: null,
    });
    assert.equal(code, exit, stderr);
    assert.match(stderr, new RegExp(`sync-run: Stopped by ${signal}`));
  });
}

async function appearance(folder: string, name: string): Promise<void> {
  const stop = new AbortController();
  try {
    for await (const { filename } of watch(folder, { signal: stop.signal })) if (filename === name) return;
  } finally {
    stop.abort();
  }
}

test('no warning of the runtime reaches the user', async (t) => {
  const project = await createProject(t);
  for (const args of [['status'], ['sync', '--json'], ['log'], ['doctor', '--json']]) {
    const { stderr } = await project.cli(args);
    assert.equal(stderr, '', args.join(' '));
  }
});
