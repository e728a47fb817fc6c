import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { HookCall, HookResult } from '../src/runner/hook.ts';
import type { Deferral } from '../src/runner/queue.ts';

/**
 * Sends a hook to the runner of this working tree. What has to wait is in its hands, so git does not wait for it.
 *
 * @returns null if there is no runner, or it left before it answered
 * @throws if what listens does not answer in time or is not the runner
 */
export async function askRunner(call: HookCall, stateFolder: string): Promise<HookResult | null> {
  const { connectRunner, RunnerLeft } = await import('../src/runner/client.ts');
  const runner = await connectRunner({ stateFolder, version: await ownVersion(), who: `git hook ${call.hook}` });
  if (runner === null) return null;
  const { hook, args, indexFile } = call;
  const deferred = Promise.withResolvers<HookResult>();
  try {
    const manifest = { id: randomUUID(), source: 'hook', hook, direction: 'import', oldHead: null, newHead: null, entries: null } as const;
    const onDeferred = (why: unknown): void => deferred.resolve({ exit: 0, lines: waitingLines(why as Deferral) });
    const answer = runner.submit(manifest, { options: { args, indexFile }, onDeferred }) as Promise<HookResult>;
    return await Promise.race([answer, deferred.promise]);
  } catch (error) {
    if (error instanceof RunnerLeft) return null;
    throw error;
  } finally {
    runner.close();
  }
}

/** A closed gate opens by itself; a database that is away may need somebody. */
function waitingLines(why: Deferral): string[] {
  return why.kind === 'database' ? [`Not done yet: ${why.message}; the runner keeps trying`] : [];
}

async function ownVersion(): Promise<string> {
  const up = import.meta.url.endsWith('.ts') ? '../' : '../../';
  const text = await readFile(new URL(`${up}package.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
