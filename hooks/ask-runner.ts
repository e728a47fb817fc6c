import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { KnownStatus } from '../src/git/staged.ts';
import type { HookCall, HookResult } from '../src/runner/hook.ts';
import type { Deferral } from '../src/runner/queue.ts';

/** In milliseconds: how long git waits for the turn of its hook. Once the work has begun git waits for its end. */
const PATIENCE = 2_000;

/** A hook, and what git is still finding out for it. */
type AskedHook = Omit<HookCall, 'status'> & { status: Promise<KnownStatus | null> };

/**
 * Sends a hook to the runner of this working tree. What has to wait is in its hands, so git does not wait for it.
 *
 * @returns null if there is no runner, or it left before it answered
 * @throws if what listens does not answer in time or is not the runner
 */
export async function askRunner(call: AskedHook, stateFolder: string): Promise<HookResult | null> {
  const [{ connectRunner, RunnerLeft }, version] = await Promise.all([import('../src/runner/client.ts'), ownVersion()]);
  const runner = await connectRunner({ stateFolder, version, who: `git hook ${call.hook}` });
  if (runner === null) return null;
  const { hook, args, indexFile } = call;
  const status = await call.status;
  const deferred = Promise.withResolvers<HookResult>();
  const late = setTimeout(() => deferred.resolve({ exit: 0, lines: [busyLine(hook)] }), PATIENCE);
  try {
    const manifest = { id: randomUUID(), source: 'hook', hook, direction: 'import', oldHead: null, newHead: null, entries: null } as const;
    const onDeferred = (why: unknown): void => deferred.resolve({ exit: 0, lines: waitingLines(why as Deferral) });
    const answer = runner.submit(manifest, {
      options: { args, indexFile, status },
      onDeferred,
      onProgress: () => clearTimeout(late),
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
function busyLine(hook: string): string {
  const busy = `The runner has had other work in hand for ${PATIENCE / 1000} s`;
  return hook === 'pre-commit' ? `${busy}: this commit was not checked; \`npx sync-run import\` brings it` : `${busy}; this comes next`;
}

/** A closed gate opens by itself; a database that is away may need somebody. */
function waitingLines(why: Deferral): string[] {
  if (why.kind === 'database') return [`Not done yet: ${why.message}; the runner keeps trying`];
  const pause = why.reasons.find(({ kind }) => kind === 'pause' || kind === 'lease');
  return pause ? [`Paused by ${pause.who} (${pause.why}); what git changed follows when that ends`] : [];
}

async function ownVersion(): Promise<string> {
  const up = import.meta.url.endsWith('.ts') ? '../' : '../../';
  const text = await readFile(new URL(`${up}package.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
