import { isAllowed, type AllowedSkip, type SkippedTest } from './allowed-skips.ts';

/** What one run of the suite came to. */
export interface Tally {
  runtime: 'node' | 'deno';
  passed: number;
  failed: number;
  /** Tests that were skipped or marked as to do. */
  skipped: SkippedTest[];
  /** Files that were run and held no test. */
  empty: string[];
}

/** Why the run does not count as passed although no test failed, one line each. */
export function objections({ runtime, passed, failed, skipped, empty }: Tally, allowed?: readonly AllowedSkip[]): string[] {
  return [
    ...(passed + failed === 0 ? ['No test was run'] : []),
    ...empty.map((file) => `No test in "${file}"`),
    ...skipped
      .filter((test) => !isAllowed(test, runtime, allowed))
      .map(({ file, name }) => `Skipped, and not in the list of allowed skips: "${name}" in "${file}"`),
  ];
}

/** The line that ends a run. */
export function countLine({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed, ${skipped.length} skipped`;
}

/** Reads what `deno test --parallel` prints without colours; null if it never came to its last line. */
export function parseDenoOutput(output: string): Tally | null {
  const steps = String.raw`(?: \(\d+ steps?\))?`;
  const last = new RegExp(String.raw`^(?:ok|FAILED) \| (\d+) passed${steps} \| (\d+) failed${steps}`, 'm').exec(output);
  if (!last) return null;
  const ignored = [...output.matchAll(/^\.\/(\S+) => (.+) \.\.\. ignored/gm)];
  return {
    runtime: 'deno',
    passed: Number(last[1]),
    failed: Number(last[2]),
    skipped: ignored.map(([, file = '', name = '']) => ({ file, name })),
    // It does not say how many tests a file holds; the run on Node.js does.
    empty: [],
  };
}
