import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { digest } from '../../src/core/digest.ts';
import type { Batch } from '../../src/core/batch.ts';
import { openContext } from '../../src/runner/open-context.ts';
import { defaultRequest } from '../../src/runner/request.ts';
import { run } from '../../src/runner/run.ts';
import { undo } from '../../src/runner/undo.ts';
import { openState } from '../../src/state/open.ts';
import type { State } from '../../src/state/state.ts';
import type { Project } from '../helpers/project.ts';
import { createSeen } from '../helpers/seen.ts';
import type { ChildOptions } from './run-child.ts';

/** What a run said before it ended, if it came to that. */
export interface Said {
  exit: number;
  code: string | null;
  message: string;
  steps: number;
  names: string[];
  report: { txid: string | null; conflicts: unknown[]; skipped: unknown[]; notices: string[] } | null;
}

/** A run in a process of its own, that has loaded everything and waits. */
export interface RunChild {
  readonly pid: number;
  /** Lets it run; resolves to what it said, or null if it was killed before. */
  go(): Promise<Said | null>;
  /** Resolves once it waits at `pauseAt`; `resume` lets it go on. */
  paused(): Promise<void>;
  resume(): void;
  kill(): void;
  readonly ended: Promise<void>;
}

/** Where Node.js keeps what it compiled, which is half of what a child takes to start; the place it would take by itself. */
const compiled = join(tmpdir(), 'node-compile-cache');

export type RunOptions = Pick<ChildOptions, 'request'> & Partial<Omit<ChildOptions, 'request' | 'cwd'>>;

/** Starts a run and waits until it is ready. Steps are counted on Node.js only, so such a child runs there in any case. */
export async function startRun(project: Project, options: RunOptions): Promise<RunChild> {
  const all: ChildOptions = { cwd: project.repo.path, env: project.env, killAt: 0, pauseAt: 0, ...options };
  const counts = all.killAt + all.pauseAt > 0 || all.pauseAtEnd || options.env?.UV_THREADPOOL_SIZE !== undefined;
  const script = fileURLToPath(new URL('./run-child.ts', import.meta.url));
  const [program, ...args] = counts ? [node(), script] : ownRuntime(script);
  const env = { ...process.env, NODE_COMPILE_CACHE: compiled, ...options.env };
  const child = spawn(program!, [...args, JSON.stringify({ ...all, env: project.env })], { stdio: ['pipe', 'pipe', 'pipe'], env });
  const lines = createSeen<string>();
  createInterface({ input: child.stdout }).on('line', (line) => lines.add(line));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close').then(() => lines.add('ended'));
  await lines.until((seen) => seen.includes('ready') || seen.includes('ended'));
  assert.ok(lines.all.includes('ready'), `The child did not start: ${stderr}`);
  return {
    pid: child.pid ?? 0,
    async go() {
      child.stdin.write('go\n');
      await ended;
      const last = lines.all.find((line) => line.startsWith('{'));
      if (last) return JSON.parse(last) as Said;
      assert.equal(child.signalCode, 'SIGKILL', `The child ended with ${child.exitCode}: ${stderr}`);
      return null;
    },
    paused: () => lines.until((seen) => seen.includes('paused') || seen.includes('ended')),
    resume: () => void child.stdin.write('x'),
    kill: () => void child.kill('SIGKILL'),
    ended,
  };
}

function node(): string {
  return process.versions.deno === undefined
    ? process.execPath
    : fileURLToPath(new URL('../../node_modules/node/bin/node', import.meta.url));
}

function ownRuntime(script: string): string[] {
  return process.versions.deno === undefined
    ? [process.execPath, script]
    : [process.execPath, 'run', '-A', '--no-check', '--quiet', script];
}

/** A run in this process; what a person would see of it. */
export async function runHere(
  project: Project,
  request: ChildOptions['request'],
  env: Record<string, string> = project.env,
): Promise<Pick<Said, 'exit' | 'code' | 'message' | 'report'>> {
  try {
    await using context = await openContext({ cwd: project.repo.path, env, mode: 'write', signal: new AbortController().signal });
    const { direction, ...rest } = request;
    const report =
      direction === 'undo'
        ? await undo(context, { txid: null, dryRun: false, lockTimeout: 30_000 })
        : await run(context, { ...defaultRequest, command: direction, direction, ...rest });
    return { exit: report.conflicts.length > 0 ? 1 : 0, code: null, message: '', report };
  } catch (error) {
    const { exitCode, code = null, message } = error as { exitCode?: number; code?: string; message: string };
    // Anything but a SyncError is a defect.
    if (exitCode === undefined) throw error;
    return { exit: exitCode, code, message, report: null };
  }
}

/** Ends an unfinished batch and does nothing else: no item has this path. */
export const onlyRecover: ChildOptions['request'] = { direction: 'sync', paths: ['db/no-such-item'] };

/** Every file below the root, whatever its name, with its text. */
export async function filesOf(project: Project): Promise<Record<string, string>> {
  const top = join(project.repo.path, 'db');
  const entries = await readdir(top, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const texts = await Promise.all(
    files.map(async (file) => [file.slice(project.repo.path.length + 1), await readFile(file, 'utf8')] as const),
  );
  return Object.fromEntries(texts.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export async function withState<T>(project: Project, work: (state: State) => Promise<T>): Promise<T> {
  const state = await openState(join(project.repo.path, '.git/sync-run'), { mode: 'read' });
  try {
    return await work(state);
  } finally {
    await state.close();
  }
}

export function intentOf(project: Project): Promise<Batch | null> {
  return withState(project, (state) => state.intent());
}

/** What both sides agreed on: path to digest. */
export function baseOf(project: Project): Promise<Record<string, string>> {
  return withState(project, async (state) =>
    Object.fromEntries((await state.base()).map(({ path, text }) => [path, text] as const).toSorted(([a], [b]) => (a < b ? -1 : 1))),
  );
}

export function digestsOf(texts: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([path, text]) => [path, digest(Buffer.from(text))]));
}

/** What is in the state, read past the code under test: that would start a thread for each look. */
export interface StateSeen {
  /** What both sides agreed on: path to digest. */
  base: Record<string, string>;
  /** The txid of the unfinished batch. */
  intent: string | null;
  meta: Record<string, string>;
}

export async function stateOf(project: Project): Promise<StateSeen> {
  return lookInto(project, (all) => {
    const [intent] = all("SELECT txid AS name, '' AS value FROM batches WHERE status = 'pending'");
    return {
      base: Object.fromEntries(all('SELECT path AS name, text AS value FROM base ORDER BY path')),
      intent: intent?.[0] ?? null,
      meta: Object.fromEntries(all('SELECT name, value FROM meta')),
    };
  });
}

/** What the history holds, read the same way. */
export interface HistorySeen {
  /** The operations of the newest batch that is done, as they are on record. */
  lastDone: string;
  /** How each batch ended, by its txid. */
  ends: Map<string, string>;
  /** Texts by digest. */
  texts: Map<string, string>;
}

export async function historyOf(project: Project): Promise<HistorySeen> {
  return lookInto(project, (all) => {
    const last = "SELECT max(seq) FROM batches WHERE status = 'done'";
    const operations = all(`SELECT n AS name, json AS value FROM operations WHERE batch = (${last}) ORDER BY n`);
    return {
      ends: new Map(all('SELECT txid AS name, status AS value FROM batches')),
      lastDone: operations.map(([, json]) => json).join('\n'),
      texts: new Map(all('SELECT digest AS name, CAST(bytes AS TEXT) AS value FROM blobs')),
    };
  });
}

async function lookInto<T>(project: Project, look: (all: (sql: string) => [name: string, value: string][]) => T): Promise<T> {
  const { DatabaseSync } = await import('node:sqlite');
  const db = new DatabaseSync(join(project.repo.path, '.git/sync-run/state.db'), { readOnly: true });
  try {
    return look((sql) =>
      db
        .prepare(sql)
        .all()
        .map(({ name, value }) => [String(name), String(value)]),
    );
  } finally {
    db.close();
  }
}

/** The txid in the database is the one the state knows: nobody is left in doubt. */
export async function assertTxid(project: Project): Promise<void> {
  const { meta } = await stateOf(project);
  if (meta.tree === undefined || meta.rowTxid === undefined) return;
  const [row] = await project.db.sql('SELECT txid FROM sync_run_tree WHERE tree = ?', [meta.tree]);
  assert.equal(row?.txid, meta.rowTxid, 'the txid in the database is the one the state knows');
}
