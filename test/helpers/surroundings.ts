import { mkdtemp, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startMariadb } from './mariadb.ts';

/** Does the work of a test run in `top`, with what all tests need around it, and a database server where one is needed. */
export async function withSurroundings(
  { top, needsDatabase = async () => true }: { top: string; needsDatabase?(): Promise<boolean> },
  work: () => Promise<void>,
): Promise<void> {
  process.chdir(top);
  forgetHook();
  await workInMemory();
  const stopDatabase = (await needsDatabase()) ? await startDatabase() : async () => {};
  const removeScratch = await ownScratch();
  try {
    await work();
  } finally {
    await stopDatabase();
    await removeScratch();
  }
}

/** Takes out of this process's environment what would make tests work on the repository of a hook that runs them. */
function forgetHook(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith('GIT_') || name === 'SYNC_RUN_HOOK') delete process.env[name];
}

/**
 * Scratch repositories and databases go to memory where there is enough of it: thousands of fsyncs on a disk take several times longer.
 * What an fsync is worth is not tested there; which calls are made is the same.
 */
async function workInMemory(): Promise<void> {
  if (process.env.TMPDIR || process.platform !== 'linux') return;
  const memory = '/dev/shm';
  const space = await statfs(memory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'EACCES') return null;
    throw error;
  });
  if (space && space.bavail * space.bsize >= 4 * 1024 ** 3) process.env.TMPDIR = memory;
}

/**
 * A temporary folder of this run alone; resolves to what removes it. Deno runs no `after` of tests in a suite, so theirs stay until then.
 * The processes of tests share what Node compiled, which halves their start.
 */
async function ownScratch(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'sr-'));
  process.env.TMPDIR = folder;
  process.env.NODE_COMPILE_CACHE = join(folder, 'compiled');
  return () => rm(folder, { recursive: true, force: true });
}

/** Starts the server of a test run, if it has none yet; resolves to what ends it. */
async function startDatabase(): Promise<() => Promise<void>> {
  if (process.env.SYNC_RUN_TEST_MARIADB !== undefined) return async () => {};
  const server = await startMariadb();
  process.env.SYNC_RUN_TEST_MARIADB = server.handle;
  return async () => {
    await showCrash(join(dirname(server.socket), 'error.log'));
    await server.stop();
  };
}

/** A server that died fails every test after it; its own words say why. */
async function showCrash(log: string): Promise<void> {
  const text = await readFile(log, 'utf8');
  const crash = text.indexOf('got signal');
  if (crash >= 0) console.log(`The database server crashed:\n${text.slice(Math.max(0, crash - 200), crash + 6000)}`);
}
