import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve, sep } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A scratch repository with an identity and a home of its own. */
export interface ScratchRepository {
  /** The top of the working tree, without symbolic links. */
  readonly path: string;
  /** What every child of a test should get: no `GIT_*` or `SYNC_RUN_*` from outside, no configuration of this user. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs git in the working tree and returns its output; rejects when git fails. */
  git(...args: string[]): Promise<string>;
  /** The same with some more variables, or in another folder of the scratch area. */
  gitWith(options: { cwd?: string; env?: Record<string, string> }, ...args: string[]): Promise<string>;
  write(path: string, content: string | Uint8Array): Promise<void>;
  read(path: string): Promise<string>;
  remove(path: string): Promise<void>;
  move(from: string, to: string): Promise<void>;
  /** Stages everything and commits it; returns the commit. */
  commit(message?: string): Promise<string>;
  /** A path beside the working tree, inside the scratch area. */
  beside(name: string): string;
  cleanup(): Promise<void>;
}

const identity = `[user]
  name = Test
  email = test@example.invalid
[init]
  defaultBranch = main
[commit]
  gpgSign = false
[protocol "file"]
  allow = always
[advice]
  detachedHead = false
`;

/** Makes an empty repository in a new folder below another one, the system's temporary folder by default; `cleanup` removes all of it. */
export async function createRepository(below = tmpdir()): Promise<ScratchRepository> {
  const area = await realpath(await mkdtemp(join(below, 'sync-run-test-')));
  const home = join(area, 'home');
  const path = join(area, 'repo');
  await mkdir(home);
  await mkdir(path);
  await writeFile(join(home, '.gitconfig'), identity);
  const env = scratchEnvironment(home);

  const inside = (name: string, base = path) => {
    const full = resolve(base, name);
    if (!full.startsWith(area + sep)) throw new Error(`The path "${full}" is outside of the scratch area "${area}"`);
    return full;
  };
  const gitWith: ScratchRepository['gitWith'] = async (options, ...args) => {
    const cwd = inside(options.cwd ?? path);
    return (await run('git', args, { cwd, env: { ...env, ...options.env }, maxBuffer: 64 * 1024 * 1024 })).stdout;
  };
  const git: ScratchRepository['git'] = (...args) => gitWith({}, ...args);
  await git('init', '--quiet');

  return {
    path,
    env,
    git,
    gitWith,
    async write(name, content) {
      await mkdir(dirname(inside(name)), { recursive: true });
      await writeFile(inside(name), content);
    },
    read: (name) => readFile(inside(name), 'utf8'),
    remove: (name) => rm(inside(name), { recursive: true }),
    async move(from, to) {
      await mkdir(dirname(inside(to)), { recursive: true });
      await rename(inside(from), inside(to));
    },
    async commit(message = 'Change') {
      await git('add', '--all');
      await git('commit', '--quiet', '--allow-empty', '--message', message);
      return (await git('rev-parse', 'HEAD')).trim();
    },
    beside: (name) => inside(name, area),
    cleanup: () => rm(area, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** This process's environment without `GIT_*` and `SYNC_RUN_*`, and with a home that holds nothing but the test's identity. */
function scratchEnvironment(home: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(?:GIT_|SYNC_RUN_|XDG_CONFIG_HOME$)/i.test(name)) env[name] = value;
  }
  const date = '2026-01-02T03:04:05Z';
  return { ...env, HOME: home, GIT_CONFIG_NOSYSTEM: '1', GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date, GIT_EDITOR: ':' };
}
