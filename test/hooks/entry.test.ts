import assert from 'node:assert/strict';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { trackedArgs } from '../../src/git/status.ts';
import { install, outcome } from '../helpers/hooked.ts';
import { createRepository, type ScratchRepository } from '../helpers/repository.ts';

const root = join(import.meta.dirname, '../..');
let scratch: ScratchRepository;
beforeEach(async () => {
  scratch = await createRepository();
  await scratch.write('db/a.html', 'a\n');
  await scratch.commit();
  // A package whose command notes what it sees, around the real entry.
  const real = ['hooks/entry.ts', 'hooks/ask-runner.ts', 'src/git/environment.ts', 'src/runner/deferral.ts'];
  for (const file of real) await cp(join(root, file), scratch.beside(`package/${file}`));
  await module('package.json', '{ "type": "module", "version": "1.2.3" }');
  await command('');
  await runner('null');
  await mkdir((await install(scratch, { runtime: process.execPath, entry: scratch.beside('package/hooks/entry.ts') })).statePath);
});
afterEach(() => scratch.cleanup());

async function module(path: string, text: string): Promise<void> {
  const file = scratch.beside(`package/${path}`);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}

/** Makes the package's command note its arguments and environment, then do `what`. */
async function command(what: string): Promise<void> {
  const note = JSON.stringify(scratch.beside('note.json'));
  await module(
    'src/cli/main.ts',
    `import { writeFile } from 'node:fs/promises';
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^GIT_|^SYNC_RUN/.test(name)));
await writeFile(${note}, JSON.stringify({ args: process.argv.slice(2), cwd: process.cwd(), env }));
${what}\n`,
  );
}

/** Makes the package find this runner, which notes what it is sent. */
async function runner(connection: string): Promise<void> {
  const note = JSON.stringify(scratch.beside('note.json'));
  await module(
    'src/runner/client.ts',
    `import { writeFile } from 'node:fs/promises';
export class RunnerLeft extends Error {}
export async function connectRunner(options: object) {
  const note = (manifest: object, options_: object) => writeFile(${note}, JSON.stringify({ ...options, manifest, ...options_ }));
  return ${connection};
}\n`,
  );
}

async function seen(): Promise<{ args: string[]; cwd: string; env: Record<string, string> }> {
  return JSON.parse(await readFile(scratch.beside('note.json'), 'utf8')) as Awaited<ReturnType<typeof seen>>;
}

async function commit(text: string, ...args: string[]): Promise<{ code: number; stderr: string }> {
  await scratch.write('db/a.html', text);
  await scratch.git('add', 'db');
  const { code, stderr } = await outcome(scratch, 'git', ['commit', '--quiet', '--message', 'Mapped', ...args]);
  return { code, stderr };
}

test('without a runner the command runs here, with the index of the commit and nothing else of git', async () => {
  assert.deepEqual(await commit('b\n'), { code: 0, stderr: '' });
  const { args, cwd, env } = await seen();
  assert.deepEqual({ args, cwd }, { args: ['hook', 'pre-commit'], cwd: scratch.path });
  assert.deepEqual(env, { GIT_CONFIG_NOSYSTEM: '1', GIT_INDEX_FILE: join(scratch.path, '.git/index'), SYNC_RUN_HOOK: '1' });
});

test('commit -a and commit <path> hand over the index they are making', async () => {
  await commit('b\n', '--all');
  assert.equal((await seen()).env.GIT_INDEX_FILE, join(scratch.path, '.git/index.lock'));
  await commit('c\n', 'db/a.html');
  assert.match((await seen()).env.GIT_INDEX_FILE ?? '', /\/\.git\/next-index-\d+\.lock$/);
});

test('a post-hook gets the arguments of git and no index, in a linked worktree too', async () => {
  const linked = scratch.beside('linked');
  await scratch.git('worktree', 'add', '--quiet', '-b', 'linked', linked);
  const state = (await scratch.gitWith({ cwd: linked }, 'rev-parse', '--git-path', 'sync-run')).trim();
  await mkdir(state);
  await scratch.gitWith({ cwd: linked }, 'checkout', '--quiet', '-b', 'next');
  const head = (await scratch.git('rev-parse', 'HEAD')).trim();
  const { args, cwd, env } = await seen();
  assert.deepEqual({ args, cwd }, { args: ['hook', 'post-checkout', head, head, '1'], cwd: linked });
  assert.deepEqual(env, { GIT_CONFIG_NOSYSTEM: '1', SYNC_RUN_HOOK: '1' });
});

test('exit code 1 of pre-commit blocks the commit, however the command ends; no other code does', async () => {
  await command('process.exitCode = 1;');
  assert.equal((await commit('b\n')).code, 1);
  await command('process.exit(1);');
  assert.equal((await commit('c\n')).code, 1);
  for (const code of [2, 3, 4, 5, 6]) {
    await command(`process.exit(${code});`);
    assert.equal((await commit(`${code}\n`)).code, 0);
  }
  await command('process.exit(1);');
  await scratch.git('checkout', '--quiet', '-b', 'next');
});

test('a broken package is one line, and git goes on', async () => {
  const broken: [string, RegExp][] = [
    ['throw new Error("It broke\\nbadly");', /^sync-run: pre-commit did nothing: It broke\n$/],
    ['setImmediate(() => { throw new Error("It broke later"); });', /^sync-run: pre-commit did nothing: It broke later\n$/],
    ['void Promise.reject(new Error("Nobody listens"));', /^sync-run: pre-commit did nothing: Nobody listens\n$/],
    ['await import("./gone.ts");', /^sync-run: pre-commit did nothing: [^\n]*gone\.ts[^\n]*\n$/],
    ['this is no program', /^sync-run: pre-commit did nothing: [^\n]+\n$/],
  ];
  for (const [position, [what, line]] of broken.entries()) {
    await command(what);
    const { code, stderr } = await commit(`${position}\n`);
    assert.equal(code, 0);
    assert.match(stderr, line);
  }
});

test('a runner gets the hook, and its answer is what git and the user see', async () => {
  await runner(`{
    async submit(manifest, { options }) { await note(manifest, { options }); return { exit: 1, lines: ['One', 'Two'] }; },
    close() {},
  }`);
  await command('throw new Error("The command ran as well");');
  assert.deepEqual(await commit('b\n'), { code: 1, stderr: 'sync-run: One\nsync-run: Two\n' });
  const gitDir = join(scratch.path, '.git');
  const status = { root: 'db', output: await scratch.git(...trackedArgs, '--', 'db') };
  assert.ok(status.output.endsWith(' db/a.html\0'), status.output);
  const sent = JSON.parse(await readFile(scratch.beside('note.json'), 'utf8')) as { manifest: { id: string } };
  assert.deepEqual(sent, {
    stateFolder: join(gitDir, 'sync-run'),
    version: '1.2.3',
    who: 'git hook pre-commit',
    manifest: {
      id: sent.manifest.id,
      source: 'hook',
      hook: 'pre-commit',
      direction: 'import',
      oldHead: null,
      newHead: null,
      entries: null,
    },
    options: { args: [], indexFile: join(gitDir, 'index'), status },
  });
});

test('a stub that tells nothing of what is staged, or a git that fails, leaves that to the runner', async () => {
  await runner(`{ async submit(manifest, { options }) { await note(manifest, { options }); return { exit: 0, lines: [] }; }, close() {} }`);
  const entry = [scratch.beside('package/hooks/entry.ts'), '.git', 'pre-commit'];
  const environments: Record<string, string>[] = [{}, { SYNC_RUN_STATUS_OF: 'db' }];
  for (const env of environments) {
    assert.deepEqual(await outcome(scratch, process.execPath, entry, { env }), { code: 0, stdout: '', stderr: '' });
    const { options } = JSON.parse(await readFile(scratch.beside('note.json'), 'utf8')) as { options: { status: unknown } };
    assert.equal(options.status, null);
    await rm(scratch.beside('note.json'));
  }
});

test('what the runner has to put off keeps nobody waiting', async () => {
  const unchecked = (why: string): string => `sync-run: This commit was not checked: ${why}; \`npx sync-run import\` brings it\n`;
  const keepsTrying = (why: string): string => `sync-run: Not done yet: ${why}; the runner keeps trying\n`;
  const entry = [scratch.beside('package/hooks/entry.ts'), '.git', 'post-merge', '0'];
  for (const [why, line, atCommit] of [
    ["{ kind: 'gate', reasons: [{ kind: 'git', who: 'git', why: 'HEAD.lock' }] }", '', unchecked('git: HEAD.lock')],
    [
      "{ kind: 'gate', reasons: [{ kind: 'unknown', who: 'git', why: 'nobody can tell' }] }",
      keepsTrying('nobody can tell'),
      unchecked('git: nobody can tell'),
    ],
    [
      "{ kind: 'gate', reasons: [{ kind: 'pause', who: 'me', why: 'lunch' }] }",
      'sync-run: Paused by me (lunch); what git changed follows when that ends\n',
      unchecked('me: lunch'),
    ],
    ["{ kind: 'database', message: 'No connection' }", keepsTrying('No connection'), unchecked('No connection')],
  ] as const) {
    await runner(`{ submit(manifest, { onDeferred }) { onDeferred(${why}); return new Promise(() => {}); }, close() {} }`);
    assert.deepEqual(await commit(`${why}\n`), { code: 0, stderr: atCommit });
    assert.deepEqual(await outcome(scratch, process.execPath, entry), { code: 0, stdout: '', stderr: line });
  }
});

test('when the runner leaves meanwhile, the command runs here; when it fails, that is one line', async () => {
  await runner('{ async submit() { throw new RunnerLeft("The runner has left"); }, close() {} }');
  assert.deepEqual(await commit('b\n'), { code: 0, stderr: '' });
  assert.deepEqual((await seen()).args, ['hook', 'pre-commit']);
  await runner('{ async submit() { throw new Error("It does not answer"); }, close() {} }');
  assert.deepEqual(await commit('c\n'), { code: 0, stderr: 'sync-run: pre-commit did nothing: It does not answer\n' });
});

test('the entry and what it loads before the runner answers import nothing of others', async () => {
  const open = ['hooks/entry.ts', 'src/git/environment.ts', 'src/runner/client.ts'];
  const files = new Set<string>();
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    files.add(file);
    const source = await readFile(join(root, file), 'utf8');
    for (const [, name = ''] of source.matchAll(/^(?:import|export)\s(?!type\b)[^;]*?from '([^']+)'/gm)) {
      assert.ok(name.startsWith('.') || isBuiltin(name), `"${file}" imports "${name}"`);
      if (name.startsWith('.')) open.push(join(dirname(file), name));
    }
  }
  assert.ok(files.has('src/runner/protocol.ts'));
});
