import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { type RunChild, type RunOptions, type Said, startRun } from '../crash/rig.ts';
import type { Project } from '../helpers/project.ts';
import { missing } from './debian.ts';

/** Why calls of the system cannot be seen here, or null. */
export const noStrace = (): Promise<string | null> => missing({ strace: 'strace' });

/** The threads of a process at the moment it waits to be let go, as far as they can be told apart. */
export interface Threads {
  all: number[];
  /** The one that makes the calls of `node:fs`. */
  pool: number;
}

/** The thread that makes the calls of `node:fs` starts with the first of them. */
const poolStarter = `data:text/javascript,${encodeURIComponent("import { stat } from 'node:fs/promises'; await stat('/');")}`;

/**
 * Runs with a tracer attached, from the moment on when everything is loaded. One thread makes all calls of the tree, so that their order is
 * the same each time.
 *
 * @param argsOf what strace is told besides whom to follow
 * @param onTold gets all that strace says by itself, which are the calls where it is given no file for them
 */
export async function traced(
  project: Project,
  options: RunOptions,
  argsOf: (threads: Threads) => readonly string[],
  onTold: (told: string, child: RunChild) => void = () => {},
): Promise<{ said: Said | null; threads: Threads }> {
  const child = await startRun(project, { ...options, env: { UV_THREADPOOL_SIZE: '1', NODE_OPTIONS: `--import ${poolStarter}` } });
  try {
    const threads = await threadsOf(child.pid);
    const args = argsOf(threads);
    const whom = args.includes('-p') ? [] : ['-f', '-p', String(child.pid)];
    const tracer = spawn('strace', [...whom, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = once(tracer, 'close');
    let told = '';
    for await (const text of tracer.stderr.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
      told += String(text);
      if (told.includes('attached')) break;
    }
    assert.match(told, /attached/, 'strace is attached');
    tracer.stderr.on('data', (text: string) => onTold((told += text), child));
    const said = await child.go();
    await ended;
    return { said, threads };
  } finally {
    child.kill();
    await child.ended;
  }
}

async function threadsOf(pid: number): Promise<Threads> {
  const all = (await readdir(`/proc/${pid}/task`)).map(Number);
  const named = await Promise.all(all.map(async (tid) => ({ tid, name: await readFile(`/proc/${pid}/task/${tid}/comm`, 'utf8') })));
  const pool = named.filter(({ name }) => name.startsWith('libuv-worker'));
  assert.equal(pool.length, 1, `one thread makes the calls of files: ${named.map(({ name }) => name.trim()).join(', ')}`);
  return { all, pool: pool[0]!.tid };
}

/** One call of the system, as strace writes it with `-y`. */
export interface Call {
  thread: number;
  name: string;
  /** Where it begins and where it ends among all calls. */
  start: number;
  end: number;
  /** The descriptor it is about, or the one it made. */
  fd: number | null;
  /** What that descriptor stands for. */
  path: string | null;
  /** Paths and data it was given, as strace quotes them. */
  strings: string[];
  /** All of its arguments. */
  args: string;
  result: number;
  error: string | null;
}

/** The calls of the process itself; those of its children are left out. */
export function parseTrace(log: string, threads: readonly number[]): Call[] {
  const calls: Call[] = [];
  const begun = new Map<number, { text: string; start: number }>();
  const own = new Set(threads);
  for (const [at, line] of log.split('\n').entries()) {
    const [, tid = '', said = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const thread = Number(tid);
    const cut = / <unfinished \.\.\.>$/.exec(said);
    if (cut) {
      begun.set(thread, { text: said.slice(0, cut.index), start: at });
      continue;
    }
    const [, rest] = /^<\.\.\. \w+ resumed>(.*)$/.exec(said) ?? [];
    const first = rest === undefined ? null : begun.get(thread);
    const call = parseCall(thread, first ? first.text + rest : said, first?.start ?? at, at);
    if (call) calls.push(call);
  }
  for (const { name, args, result } of calls) if (name.startsWith('clone') && args.includes('CLONE_THREAD')) own.add(result);
  return calls.filter(({ thread }) => own.has(thread)).toSorted((a, b) => a.end - b.end);
}

function parseCall(thread: number, text: string, start: number, end: number): Call | null {
  const [, name = '', args = '', value = '', made, error = null] =
    /^(\w+)\((.*)\)\s+= (-?\d+|\?|0x[0-9a-f]+)(?:<(.*)>)?(?: (E[A-Z0-9]+) .*)?$/s.exec(text) ?? [];
  if (!name) return null;
  const [, fd, path] = /^(\d+)<(.*?)>(?:,|$)/.exec(args) ?? [];
  const strings = [...args.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, string = '']) => string);
  const result = value === '?' ? -1 : Number(value);
  if (made !== undefined && result >= 0) return { thread, name, start, end, fd: result, path: made, strings, args, result, error: null };
  return { thread, name, start, end, fd: fd === undefined ? null : Number(fd), path: path ?? null, strings, args, result, error };
}
