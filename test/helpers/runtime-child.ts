import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createSeen } from './seen.ts';
import type { Seen } from './seen.ts';

/** A script of this repository in a process of its own, on the runtime the test runs on or the one it names. */
export interface RuntimeChild {
  readonly pid: number;
  /** Lines of its standard output. */
  readonly lines: Seen<string>;
  stderr(): string;
  /** Resolves when it has ended, to its exit code or the signal that ended it. */
  readonly ended: Promise<number | string>;
  kill(): Promise<void>;
}

export function startChild(script: URL, args: readonly string[], runtime?: 'node' | 'deno'): RuntimeChild {
  const chosen = runtime ?? ('Deno' in globalThis ? 'deno' : 'node');
  const own = runtime === undefined || runtime === ('Deno' in globalThis ? 'deno' : 'node');
  const program = own ? process.execPath : binaries[chosen];
  const before = chosen === 'deno' ? ['run', '-A', '--no-check', '--quiet'] : [];
  const child = spawn(program, [...before, fileURLToPath(script), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines = createSeen<string>();
  createInterface({ input: child.stdout }).on('line', (line) => lines.add(line));
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = end(child);
  return {
    pid: child.pid ?? 0,
    lines,
    stderr: () => stderr,
    ended,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function end(child: ChildProcess): Promise<number | string> {
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return code ?? signal ?? 'unknown';
}

const bin = (path: string): string => fileURLToPath(new URL(`../../node_modules/${path}`, import.meta.url));
const binaries = { node: bin('node/bin/node'), deno: bin('deno/deno') };
