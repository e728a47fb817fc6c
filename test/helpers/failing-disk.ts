import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

/** Deno does not let a built-in module's functions be replaced. */
export const cannotFail: string | false = 'Deno' in globalThis && 'Deno cannot replace functions of node:fs';

const functions = ['open', 'link', 'rename', 'unlink', 'mkdir', 'rmdir', 'lstat', 'copyFile', 'readdir'] as const;
const methods = ['write', 'chmod', 'sync', 'read', 'stat'] as const;

export interface Call {
  /** Counted from 0. */
  index: number;
  name: (typeof functions)[number] | (typeof methods)[number];
}

/**
 * Runs `work` on the real file system, except that calls `fails` picks fail with that code instead of being made. To fail
 * every call from one on is what a crash there leaves on the disk.
 *
 * @returns what `work` returned or threw, and how many calls it made
 */
export async function onFailingDisk<T>(
  fails: (call: Call) => string | null,
  work: () => Promise<T>,
): Promise<{ result: T | null; error: unknown; calls: number }> {
  let calls = 0;
  const guard = (name: Call['name']): void => {
    const code = fails({ index: calls++, name });
    if (code !== null) throw Object.assign(new Error(`${code}: injected into ${name}`), { code });
  };
  const handle = await fs.promises.open(process.execPath, 'r');
  const prototype = Object.getPrototypeOf(handle) as Record<string, (...args: unknown[]) => unknown>;
  await handle.close();
  const undo = [...replaceAll(fs.promises as unknown as typeof prototype, functions, guard), ...replaceAll(prototype, methods, guard)];
  syncBuiltinESMExports();
  try {
    return { result: await work(), error: null, calls };
  } catch (error) {
    return { result: null, error, calls };
  } finally {
    for (const restore of undo) restore();
    syncBuiltinESMExports();
  }
}

function replaceAll<N extends Call['name']>(
  owner: Record<string, (...args: unknown[]) => unknown>,
  names: readonly N[],
  guard: (name: N) => void,
): (() => void)[] {
  return names.map((name) => {
    const real = owner[name]!;
    owner[name] = async function (this: unknown, ...args: unknown[]) {
      guard(name);
      return real.apply(this, args);
    };
    return () => void (owner[name] = real);
  });
}
