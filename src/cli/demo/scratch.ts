import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SyncError } from '../../core/errors.ts';
import type { Terminal } from '../terminal.ts';

export interface Outcome {
  code: number;
  output: string;
}

/** A git repository of its own below the system's temporary folder, which the configuration of this user does not reach. */
export interface Scratch {
  readonly area: string;
  readonly top: string;
  git(...args: string[]): Promise<Outcome>;
  /** This very program, as a process of its own. */
  syncRun(...args: string[]): Promise<Outcome>;
  read(path: string): Promise<string>;
  write(path: string, text: string): Promise<void>;
  remove(): Promise<void>;
}

// Signing, templates, hooks and newline rules of the user would change what the demo shows.
const gitConfig = `[user]
  name = Demo
  email = demo@example.invalid
[init]
  defaultBranch = main
[commit]
  gpgSign = false
[advice]
  detachedHead = false
`;

export async function createScratch({ env, runtime, signal }: Terminal): Promise<Scratch> {
  const area = await realpath(await mkdtemp(join(tmpdir(), 'sync-run-demo-')));
  const top = join(area, 'forum');
  await mkdir(top);
  await writeFile(join(area, 'gitconfig'), gitConfig);
  const own = Object.entries(env).filter(([name]) => !/^(?:GIT_|SYNC_RUN)/i.test(name));
  const childEnv = { ...Object.fromEntries(own), GIT_CONFIG_GLOBAL: join(area, 'gitconfig'), GIT_CONFIG_NOSYSTEM: '1', NO_COLOR: '1' };

  const run = (program: string, args: readonly string[]): Promise<Outcome> =>
    new Promise((resolve, reject) => {
      execFile(program, args, { cwd: top, env: childEnv, signal, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
        if (error && typeof error.code !== 'number')
          reject(new SyncError('IO', `Running "${program}" failed: ${error.message}`, { cause: error }));
        else resolve({ code: typeof error?.code === 'number' ? error.code : 0, output: stdout + stderr });
      });
    });
  const [program, ...first] = runtime.command;
  const scratch: Scratch = {
    area,
    top,
    git: (...args) => run('git', args),
    syncRun: (...args) => run(program, [...first, ...args]),
    read: (path) => readFile(join(top, path), 'utf8'),
    write: (path, text) => writeFile(join(top, path), text),
    remove: () => rm(area, { recursive: true, force: true, maxRetries: 3 }),
  };
  const { code, output } = await scratch.git('init', '--quiet', '--template=');
  if (code !== 0) throw new SyncError('IO', `Making the scratch repository failed: ${output.trim()}`);
  return scratch;
}
