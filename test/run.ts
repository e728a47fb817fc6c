import { spawn } from 'node:child_process';
import { glob, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, relative, sep } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { isRig } from './helpers/rig-folders.ts';
import { withSurroundings } from './helpers/surroundings.ts';
import { countLine, objections, parseDenoOutput, type Tally } from './helpers/tally.ts';

/** Each test, in milliseconds. */
const testTimeout = 10 * 60_000;
/** All of them; a process that does not end by itself is killed then, and its file fails. */
const wholeTimeout = 25 * 60_000;
/** Most tests wait for children and disks. */
const concurrency = Math.max(2, availableParallelism());

const top = fileURLToPath(new URL('..', import.meta.url));
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const onDeno = process.argv.includes('--deno');
const unknown = process.argv.slice(2).filter((argument) => argument.startsWith('--') && argument !== '--deno');
if (unknown.length > 0) throw new RangeError(`No such option: ${unknown.join(', ')}`);
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)));
const limit = AbortSignal.any([stop.signal, AbortSignal.timeout(wholeTimeout)]);

const files = await testFiles();
await withSurroundings({ top, needsDatabase: () => needDatabase(files) }, async () => {
  const tally = onDeno ? await runOnDeno(files) : await runOnNode(files);
  const problems = objections(tally);
  for (const { file, name } of tally.skipped) console.log(`skipped: ${name} (${file})`);
  for (const problem of problems) console.log(problem);
  console.log(countLine(tally));
  if (tally.failed > 0 || problems.length > 0) process.exitCode = 1;
});

/** The test files below the folders of the command line; without any, all but the rigs, which `npm run prove` runs. */
async function testFiles(): Promise<string[]> {
  const found: string[] = [];
  const folders = wanted.length > 0 ? wanted : ['test'];
  for (const folder of folders) {
    const pattern = folder.endsWith('.ts') ? folder : join(folder, '**/*.test.ts');
    for await (const path of glob(pattern, { cwd: top })) found.push(path.split(sep).join('/'));
  }
  return found.filter((file) => wanted.length > 0 || !isRig(file)).toSorted();
}

/** Whether a file names the server, so that a run of the pure tests starts none. */
async function needDatabase(paths: readonly string[]): Promise<boolean> {
  const sources = await Promise.all(paths.map((path) => readFile(join(top, path), 'utf8')));
  return sources.some((source) => /mariadb|mysql/i.test(source));
}

async function runOnNode(paths: readonly string[]): Promise<Tally> {
  const tally: Tally = { runtime: 'node', passed: 0, failed: 0, skipped: [], empty: [] };
  if (paths.length === 0) return tally;
  console.log(`Node.js ${process.version}, ${paths.length} files`);
  const results = run({ files: paths.map((path) => join(top, path)), concurrency, timeout: testTimeout, signal: limit });
  const fromTop = (path: string | undefined) =>
    relative(top, path ?? '')
      .split(sep)
      .join('/');
  results.on('test:pass', ({ name, file, details, skip, todo }) => {
    if (details.type === 'suite') return;
    // Node reports a file without tests as one test with the file's name.
    if (paths.includes(fromTop(name))) tally.empty.push(fromTop(name));
    else if (skip !== undefined || todo !== undefined) tally.skipped.push({ file: fromTop(file), name });
    else tally.passed += 1;
  });
  results.on('test:fail', ({ name, file, details, todo }) => {
    if (details.type === 'suite') return;
    if (todo === undefined) tally.failed += 1;
    else tally.skipped.push({ file: fromTop(file), name });
  });
  for await (const text of results.compose(new spec())) process.stdout.write(text);
  return tally;
}

async function runOnDeno(paths: readonly string[]): Promise<Tally> {
  const args = ['test', '--allow-all', '--no-check', '--parallel', ...paths];
  const env = { ...process.env, NO_COLOR: '1', DENO_JOBS: String(concurrency), DENO_NO_UPDATE_CHECK: '1' };
  const child = spawn('deno', args, { cwd: top, env, stdio: ['ignore', 'pipe', 'inherit'] });
  limit.addEventListener('abort', () => child.kill());
  let output = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    output += chunk;
    process.stdout.write(chunk);
  }
  const tally = parseDenoOutput(output);
  const code = child.exitCode ?? (await new Promise<number | null>((resolve) => child.once('exit', resolve)));
  if (!tally) {
    console.log(`"deno test" ended with exit code ${code} before it had counted its tests`);
    return { runtime: 'deno', passed: 0, failed: 1, skipped: [], empty: [] };
  }
  // An error outside of any test makes deno fail without counting one.
  return code !== 0 && tally.failed === 0 ? { ...tally, failed: 1 } : tally;
}
