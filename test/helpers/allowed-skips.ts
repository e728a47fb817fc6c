export interface SkippedTest {
  /** From the repository root. */
  file: string;
  name: string;
}

export interface AllowedSkip {
  runtime: 'node' | 'deno';
  file: string;
  /** Of the names; all tests of the file without it. */
  tests?: RegExp;
  reason: string;
}

/** The tests that may be skipped. Any other skip fails the run. */
export const allowedSkips: readonly AllowedSkip[] = [
  { runtime: 'deno', file: 'test/tree/crash.test.ts', reason: 'Deno cannot replace functions of node:fs, to make one fail' },
  { runtime: 'deno', file: 'test/tree/edits.test.ts', reason: 'as above' },
  { runtime: 'deno', file: 'test/tree/place.test.ts', tests: /, without hard links$/, reason: 'as above' },
  { runtime: 'deno', file: 'test/tree/scan.test.ts', tests: /^a name that is not UTF-8/, reason: 'Deno cannot make such a file' },
  { runtime: 'node', file: 'test/watch/exhausted.test.ts', reason: 'a container may refuse user namespaces' },
];

export function isAllowed(skipped: SkippedTest, runtime: 'node' | 'deno', allowed: readonly AllowedSkip[] = allowedSkips): boolean {
  return allowed.some((entry) => entry.runtime === runtime && entry.file === skipped.file && (entry.tests?.test(skipped.name) ?? true));
}
