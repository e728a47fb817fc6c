import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { runProgram } from '../helpers/cli.ts';

const run = promisify(execFile);
const top = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;
let main: string;
let old: string;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sync-run-old-'));
  // An old Node.js reads no TypeScript, so it gets what is published.
  const tsc = join(top, 'node_modules/typescript/bin/tsc');
  const options = ['--ignoreConfig', '--outDir', join(folder, 'out'), '--rootDir', top, '--target', 'es2024', '--module', 'nodenext'];
  const flags = [
    '--rewriteRelativeImportExtensions',
    '--verbatimModuleSyntax',
    '--noCheck',
    '--types',
    'node',
    '--typeRoots',
    join(top, 'node_modules/@types'),
  ];
  await run(process.versions.deno === undefined ? process.execPath : 'node', [tsc, ...options, ...flags, join(top, 'src/cli/main.ts')], {
    cwd: top,
  });
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  main = join(folder, 'out/src/cli/main.js');
  old = await oldNode();
});

after(() => rm(folder, { recursive: true, force: true }));

test('a Node.js that is too old gets one line that says so, and no stack trace', async () => {
  for (const args of [[], ['status'], ['--help']]) {
    const { code, stdout, stderr } = await runProgram(old, [main, ...args], { cwd: folder, env: {} });
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
    assert.match(
      stderr,
      /^sync-run: Needs Node\.js 22\.22 or newer, but this is 20\.\d+\.\d+\. Install a newer one from https:\/\/nodejs\.org\n$/,
    );
  }
});

test('with --json as a document', async () => {
  const { code, stdout, stderr } = await runProgram(old, [main, 'status', '--json'], { cwd: folder, env: {} });
  assert.equal(code, 2);
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
  assert.equal(error.code, 'RUNTIME');
  assert.match(error.message, /22\.22/);
  assert.equal(stderr.trimEnd().split('\n').length, 1);
});

/** The system's Node.js if it is an old one, else one fetched for this. */
async function oldNode(): Promise<string> {
  for (const path of ['/usr/bin/node', '/usr/local/bin/node']) {
    const version = await run(path, ['--version']).then(
      ({ stdout }) => stdout,
      () => '',
    );
    if (version.startsWith('v20.')) return path;
  }
  const { stdout } = await run('npx', ['--yes', '--allow-scripts=node', '--package=node@20', '--', 'node', '-p', 'process.execPath'], {
    cwd: folder,
  });
  return stdout.trim();
}
