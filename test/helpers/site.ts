import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { TestContext } from 'node:test';
import { applyHooks } from '../../src/git/hooks-apply.ts';
import { hookNames } from '../../src/git/hooks-names.ts';
import { planHooks } from '../../src/git/hooks-plan.ts';
import { entryPath } from '../../src/git/hooks-stub.ts';
import { openRepository } from '../../src/git/repository.ts';
import type { RunnerEvent } from '../../src/runner/events.ts';
import { startRunner, type Runner, type RunnerOptions } from '../../src/runner/runner.ts';
import { openState } from '../../src/state/open.ts';
import { writeUrl } from '../../src/state/secrets.ts';
import type { BatchSummary } from '../../src/state/state.ts';
import { busyMarkers } from '../../src/watch/git-watch.ts';
import { type CliOptions, type CliRun, runCli, runProgram } from './cli.ts';
import type { Server } from './mariadb.ts';
import { createDatabase, createPages, type Database, type Engine, pagesConfig, type Project, projectOf } from './project.ts';
import { createRepository, type ScratchRepository } from './repository.ts';
import { addPages } from './scenario.ts';
import { createSeen, type Seen } from './seen.ts';

/** What a watching runner told, with the markers git had in place when a batch began. */
export type SiteEvent = RunnerEvent & { markers: string[] };

/** A runner inside of the test process; hooks and commands reach it over its socket. */
export interface SiteRunner extends Runner {
  readonly seen: Seen<SiteEvent>;
  /** Waits until nothing waits, nothing runs, and the gate is open. */
  idle(): Promise<void>;
}

/** A working tree that was set up as `init` does it, hooks included, with pages on both sides. */
export interface Site extends Project {
  /** The hooks git ran since the last call, as scripts beside ours saw them. */
  fired(): Promise<string[]>;
  /** The hooks for which the stub started a runtime, since the last call. */
  started(): Promise<string[]>;
  /** The hooks during which the index of the commit changed, since the last call. */
  touched(): Promise<string[]>;
  stateFolder: string;
  gitDir: string;
  /** Runs git with this on standard input, and does not mind how it ends. */
  gitRun(args: readonly string[], input?: string): Promise<CliRun>;
  runner(options?: Partial<RunnerOptions>): Promise<SiteRunner>;
  cli(args: readonly string[], options?: Partial<CliOptions>): Promise<CliRun>;
  /** Batches that wrote something, oldest first. */
  batches(): Promise<BatchSummary[]>;
  /** Texts by slug, of the rows and of the files. */
  rows(): Promise<Record<string, string>>;
  texts(): Promise<Record<string, string>>;
}

export type Where = 'main' | 'linked' | 'submodule';

export interface SiteOptions {
  engine?: Engine;
  /** A server of the test's own, in place of the shared one. */
  server?: Server;
  /** Slug to text: rows that are there before anything else; the first run exports them. */
  pages: Record<string, string>;
  config?: object;
  /** What kind of working tree is set up. */
  where?: Where;
  /** Runs after the first run and its commit, before hooks are installed; another run follows it. */
  prepare?: (site: Site) => Promise<void>;
  hooks?: boolean;
  /** False leaves the tree before its first run, as one is that has only been trusted. */
  run?: boolean;
}

const observed = [...hookNames, 'post-commit'];

export async function createSite(t: TestContext, options: SiteOptions): Promise<Site> {
  const { engine = 'sqlite', pages, config = pagesConfig, where = 'main', hooks = true, run = true } = options;
  const main = await createRepository();
  const closers: (() => Promise<void>)[] = [];
  t.after(async () => {
    for (const close of closers) await close();
    await main.cleanup();
  });
  const db = patient(options.server ? await databaseOf(options.server, engine) : await createDatabase(engine, main.beside('site.db')));
  await createPages(db);
  await addPages(db, pages);
  const repo = await treeOf(main, where);
  const project = projectOf(repo, db);
  await project.configure(config);
  const site = await siteOf(project, closers);
  await writeUrl(site.stateFolder, db.url);
  if (!run) return site;
  await project.run('sync');
  await repo.write('.gitattributes', 'db/** -text\n');
  await repo.commit('Begin');
  if (options.prepare) {
    await options.prepare(site);
    await project.run('sync');
  }
  if (hooks) await installObserved(repo);
  return site;
}

/** With a connection for each statement, so that the server may go away in between. */
async function databaseOf(server: Server, engine: Engine): Promise<Database> {
  const { url, connect } = await server.createDatabase();
  return {
    engine,
    url,
    async sql(text, values) {
      const connection = await connect();
      try {
        const [rows] = await connection.query(text, values);
        return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
      } finally {
        await connection.end();
      }
    },
  };
}

async function treeOf(main: ScratchRepository, where: Where): Promise<ScratchRepository> {
  if (where === 'main') return main;
  await main.git('commit', '--quiet', '--allow-empty', '--message', 'Nothing yet');
  if (where === 'linked') {
    await main.git('worktree', 'add', '--quiet', '-b', 'work', main.beside('linked'));
    return elsewhere(main, main.beside('linked'));
  }
  await main.git('clone', '--quiet', '--bare', '.', main.beside('part.git'));
  await main.git('submodule', '--quiet', 'add', main.beside('part.git'), 'part');
  return elsewhere(main, join(main.path, 'part'));
}

/** The same scratch area, with another working tree in it as the one to work in. */
function elsewhere(main: ScratchRepository, path: string): ScratchRepository {
  const away = (name: string): string => join(path, name);
  const gitWith: ScratchRepository['gitWith'] = (how, ...args) => main.gitWith({ cwd: path, ...how }, ...args);
  return {
    ...main,
    path,
    gitWith,
    git: (...args) => gitWith({}, ...args),
    write: (name, content) => main.write(away(name), content),
    read: (name) => main.read(away(name)),
    remove: (name) => main.remove(away(name)),
    move: (from, to) => main.move(away(from), away(to)),
    async commit(message = 'Change') {
      await gitWith({}, 'add', '--all');
      await gitWith({}, 'commit', '--quiet', '--allow-empty', '--message', message);
      return (await gitWith({}, 'rev-parse', 'HEAD')).trim();
    },
  };
}

/** Installs the hooks around scripts that note which hook git ran, with a runtime that notes which of them needed it. */
async function installObserved(repo: ScratchRepository): Promise<void> {
  const repository = await openRepository(repo.path, repo.env);
  await mkdir(repository.hooksDir, { recursive: true });
  const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;
  for (const hook of observed) {
    const path = join(repository.hooksDir, hook);
    await writeFile(path, `#!/bin/sh\necho ${hook} >>${quoted(repo.beside('fired'))}\n`);
    await chmod(path, 0o755);
  }
  await mkdir(repo.beside('bin'));
  const runtime = join(repo.beside('bin'), basename(process.execPath));
  await writeFile(
    runtime,
    `#!/bin/sh
echo "$*" >>${quoted(repo.beside('started'))}
look() { if [ -n "\${GIT_INDEX_FILE-}" ]; then cksum <"$GIT_INDEX_FILE"; git ls-files -s; fi; }
before=$(look)
${quoted(process.execPath)} "$@"
code=$?
if [ "$before" != "$(look)" ]; then echo "$*" >>${quoted(repo.beside('touched'))}; fi
exit $code
`,
  );
  await chmod(runtime, 0o755);
  await applyHooks(repository, await planHooks(repository, { runtime, entry: entryPath(), root: 'db' }));
}

async function siteOf(project: Project, closers: (() => Promise<void>)[]): Promise<Site> {
  const { repo, db } = project;
  const { statePath, gitDir } = await openRepository(repo.path, repo.env);
  const noted = { fired: 0, started: 0, touched: 0 };
  const notes = async (name: keyof typeof noted): Promise<string[]> => {
    const all = existsSync(repo.beside(name)) ? (await readFile(repo.beside(name), 'utf8')).split('\n').filter(Boolean) : [];
    const fresh = all.slice(noted[name]);
    noted[name] = all.length;
    return fresh;
  };
  return {
    ...project,
    stateFolder: statePath,
    gitDir,
    fired: () => notes('fired'),
    started: async () => (await notes('started')).map((line) => observed.find((hook) => line.split(' ').includes(hook)) ?? line),
    touched: () => notes('touched'),
    gitRun: (args, input = '') => runProgram('git', args, { cwd: repo.path, env: repo.env, input }),
    async runner(options = {}) {
      const runner = await startSiteRunner(project, gitDir, options);
      closers.push(runner.close);
      return runner;
    },
    cli: (args, options = {}) =>
      runCli(args, { cwd: repo.path, ...options, env: { ...repo.env, XDG_RUNTIME_DIR: repo.beside('home'), ...options.env } }),
    async batches() {
      const state = await openState(statePath, { mode: 'read' });
      try {
        return (await state.history({ limit: 1_000 })).toReversed();
      } finally {
        await state.close();
      }
    },
    rows: () => rowsOf(db),
    async texts() {
      const files = await project.files();
      return Object.fromEntries(Object.entries(files).map(([path, text]) => [basename(path, '.html'), text]));
    },
  };
}

/** SQLite turns a connection away for as long as another one opens or closes the file. */
function patient(db: Database): Database {
  return {
    ...db,
    async sql(text, values) {
      for (;;) {
        try {
          return await db.sql(text, values);
        } catch (error) {
          if ((error as { errstr?: string }).errstr !== 'database is locked' && (error as Error).message !== 'database is locked')
            throw error;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      }
    },
  };
}

export async function rowsOf(db: Database): Promise<Record<string, string>> {
  const rows = await db.sql('SELECT slug, body FROM pages ORDER BY slug');
  return Object.fromEntries(rows.map(({ slug, body }) => [String(slug), String(body)]));
}

async function startSiteRunner({ repo, env }: Project, gitDir: string, options: Partial<RunnerOptions>): Promise<SiteRunner> {
  const runtimeDir = repo.beside('run');
  await mkdir(runtimeDir, { recursive: true, mode: 0o700 });
  const runner = await startRunner({
    cwd: repo.path,
    env,
    mode: 'write',
    signal: new AbortController().signal,
    surroundings: { platform: process.platform, uid: process.getuid?.() ?? null, runtimeDir, home: undefined, tmpdir: runtimeDir },
    command: 'watch',
    live: true,
    rows: null,
    onListenerError: (error) => {
      throw error;
    },
    ...options,
  });
  const seen = createSeen<SiteEvent>();
  for (const event of runner.events.history()) seen.add({ ...event, markers: [] });
  // Asked at once, before the batch can do anything.
  runner.events.subscribe((event) => {
    const markers = event.type === 'batch-started' ? busyMarkers.filter((name) => existsSync(join(gitDir, name))) : [];
    seen.add({ ...event, markers });
  });
  const isIdle = (): boolean => {
    const { depth, running, producers } = runner.queue.status();
    return depth === 0 && running === null && producers === 0 && runner.gate.reasons().length === 0;
  };
  let closing: Promise<void> | null = null;
  return { ...runner, seen, idle: () => until('the runner is idle', isIdle), close: () => (closing ??= runner.close()) };
}

/** Waits for what no event tells. Fails after a minute, which no step here takes on any machine. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 60_000; !(await holds());) {
    if (Date.now() > end) throw new Error(`Waited in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
