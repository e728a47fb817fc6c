/** What one run of the suite came to. */
export interface Tally {
  passed: number;
  failed: number;
  /** Names of tests that were skipped or marked as to do. */
  skipped: string[];
  /** Files that were run and held no test. */
  empty: string[];
}

/** Tests that may be skipped, by name, with the reason. */
const allowedSkips: Readonly<Record<string, string>> = {};

/** Why the run does not count as passed although no test failed, one line each. */
export function objections({ passed, failed, skipped, empty }: Tally, allowed: Readonly<Record<string, string>> = allowedSkips): string[] {
  return [
    ...(passed + failed === 0 ? ['No test was run'] : []),
    ...empty.map((file) => `No test in "${file}"`),
    ...skipped
      .filter((name) => !Object.hasOwn(allowed, name))
      .map((name) => `Skipped without being in the list of allowed skips: "${name}"`),
  ];
}

/** The line that ends a run. */
export function countLine({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed, ${skipped.length} skipped`;
}

/** Reads what `deno test` prints without colours; null if it never came to its last line. */
export function parseDenoOutput(output: string): Tally | null {
  const steps = String.raw`(?: \(\d+ steps?\))?`;
  const last = new RegExp(String.raw`^(?:ok|FAILED) \| (\d+) passed${steps} \| (\d+) failed${steps}`, 'm').exec(output);
  if (!last) return null;
  return {
    passed: Number(last[1]),
    failed: Number(last[2]),
    skipped: [...output.matchAll(/^\s*(?:\S+ => )?(.+) \.\.\. ignored/gm)].map((match) => match[1] ?? ''),
    // With --parallel it does not say how many tests a file holds; the run on Node.js does.
    empty: [],
  };
}
