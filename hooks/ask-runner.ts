import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { KnownStatus } from '../src/git/staged.ts';
import type { HookCall, HookResult } from '../src/runner/hook.ts';
import { type Deferral, wordsOf } from '../src/runner/deferral.ts';

/** How long git waits, in milliseconds. */
export interface Limits {
  /** For the turn of its hook. */
  patience: number;
  /** For the next word of work that has begun. The runner says every few seconds that it lives. */
  silence: number;
}

const usual: Limits = { patience: 2_000, silence: 30_000 };

/** A hook, and what git is still finding out for it. */
type AskedHook = Omit<HookCall, 'status'> & { status: Promise<KnownStatus | null> };

/**
 * Sends a hook to the runner of this working tree. What has to wait is in its hands, so git does not wait for it.
 *
 * @returns null if there is no runner, or it left before it answered
 * @throws if what listens does not answer in time or is not the runner
 */
export async function askRunner(call: AskedHook, stateFolder: string, { patience, silence }: Limits = usual): Promise<HookResult | null> {
  const [{ connectRunner, RunnerLeft }, version] = await Promise.all([import('../src/runner/client.ts'), ownVersion()]);
  const runner = await connectRunner({ stateFolder, version, who: `git hook ${call.hook}` });
  if (runner === null) return null;
  const { hook, args, indexFile } = call;
  const status = await call.status;
  const deferred = Promise.withResolvers<HookResult>();
  let late: NodeJS.Timeout | undefined;
  const waitAtMost = (ms: number, line: string): void => {
    clearTimeout(late);
    late = setTimeout(() => deferred.resolve({ exit: 0, lines: [line] }), ms);
  };
  waitAtMost(patience, busyLine(hook, patience));
  try {
    const manifest = { id: randomUUID(), source: 'hook', hook, direction: 'import', oldHead: null, newHead: null, entries: null } as const;
    const onDeferred = (why: unknown): void => deferred.resolve({ exit: 0, lines: waitingLines(hook, why as Deferral) });
    const answer = runner.submit(manifest, {
      options: { args, indexFile, status },
      onDeferred,
      onProgress: () => waitAtMost(silence, silentLine(hook, silence, runner.pid)),
    }) as Promise<HookResult>;
    return await Promise.race([answer, deferred.promise]);
  } catch (error) {
    if (error instanceof RunnerLeft) return null;
    throw error;
  } finally {
    clearTimeout(late);
    runner.close();
  }
}

/** What a commit asked for is taken back when its hook leaves; anything else stays with the runner. */
function busyLine(hook: string, ms: number): string {
  const busy = `The runner has had other work in hand for ${ms / 1000} s`;
  return hook === 'pre-commit' ? `${busy}: this commit was not checked; \`npx sync-run import\` brings it` : `${busy}; this comes next`;
}

/** The batch is in the hands of the runner, or of whoever comes after it: that one ends it first. */
function silentLine(hook: string, ms: number, pid: number): string {
  const what = hook === 'pre-commit' ? 'this commit was not checked' : 'what git changed is not imported yet';
  const rest = `the batch goes on when it does. If it hangs: kill -9 ${pid}, then \`npx sync-run import\``;
  return `The runner, process ${pid}, has been silent for ${ms / 1000} s in the middle of its work: ${what}; ${rest}`;
}

/** A closed gate opens by itself; a database that is away, or a git dir that cannot be read, may need somebody. A commit never waits. */
function waitingLines(hook: string, why: Deferral): string[] {
  if (hook === 'pre-commit') return [`This commit was not checked: ${wordsOf(why)}; \`npx sync-run import\` brings it`];
  if (why.kind === 'database') return [`Not done yet: ${why.message}; the runner keeps trying`];
  const pause = why.reasons.find(({ kind }) => kind === 'pause' || kind === 'lease');
  if (pause) return [`Paused by ${pause.who} (${pause.why}); what git changed follows when that ends`];
  const unknown = why.reasons.find(({ kind }) => kind === 'unknown');
  return unknown ? [`Not done yet: ${unknown.why}; the runner keeps trying`] : [];
}

async function ownVersion(): Promise<string> {
  const up = import.meta.url.endsWith('.ts') ? '../' : '../../';
  const text = await readFile(new URL(`${up}package.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
