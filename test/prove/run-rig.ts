import { join } from 'node:path';
import { run } from 'node:test';
import { casesIn } from './cases.ts';

/** One test of a rig, as it ended. */
export interface Outcome {
  file: string;
  /** With those of its suites before it. */
  name: string;
  ended: 'passed' | 'failed' | 'skipped';
  /** Faults survived, as the test itself counts them; 1 for one that does not count. */
  cases: number;
  /** Why it failed, from the outside to the inside, or why it was skipped. */
  reasons: Reason[];
}

export interface Reason {
  message: string;
  /** Whether an assertion of a test says so, and not a program that broke. */
  isAssertion: boolean;
}

export interface RigOptions {
  /** Top folder of the source the rig belongs to. */
  top: string;
  tests?: RegExp;
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
  /** Milliseconds for the whole file; a test of it that takes nine tenths of them is named. */
  timeout: number;
}

/** Runs one file of tests in a process of its own, which is killed where it does not end by itself. */
export async function runRig(file: string, { top, tests, env, signal: stop, timeout }: RigOptions): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const path = join(top, file);
  const signal = AbortSignal.any([stop, AbortSignal.timeout(timeout)]);
  const results = run({ files: [path], cwd: top, env, testNamePatterns: tests, signal, timeout: 0.9 * timeout, concurrency: 1 });
  const suites: string[] = [];
  const full = (name: string, nesting: number): string => [...suites.slice(0, nesting), name].join(' ');
  results.on('test:start', ({ name, nesting }) => void (suites[nesting] = name));
  results.on('test:pass', ({ name: own, nesting, details, skip }) => {
    if (details.type === 'suite') return;
    const name = full(own, nesting);
    if (skip === undefined) outcomes.push({ file, name, ended: 'passed', cases: 1, reasons: [] });
    else outcomes.push({ file, name, ended: 'skipped', cases: 0, reasons: [{ message: String(skip), isAssertion: false }] });
  });
  results.on('test:fail', ({ name, nesting, details }) => {
    if (details.type === 'suite') return;
    outcomes.push({ file, name: full(name, nesting), ended: 'failed', cases: 1, reasons: reasonsOf(details.error) });
  });
  // A test's diagnostics are told right after its end.
  results.on('test:diagnostic', ({ message }) => {
    const told = casesIn(message);
    const last = outcomes.at(-1);
    if (told && last) last.cases = told.cases;
  });
  for await (const _ of results);
  // A file fails along with its tests; by itself where it was killed, or breaks outside of them.
  const ofTests = outcomes.filter(({ name }) => name !== path);
  return ofTests.some(({ ended }) => ended === 'failed')
    ? ofTests
    : outcomes.filter(({ name, ended }) => name !== path || ended === 'failed');
}

function reasonsOf(error: unknown): Reason[] {
  const reasons: Reason[] = [];
  const seen = new Set<unknown>();
  let at = error;
  for (; typeof at === 'object' && at !== null && !seen.has(at); at = (at as Error).cause) {
    seen.add(at);
    const { message, code, name } = at as NodeJS.ErrnoException;
    // What the runner of tests wraps around the error of a test.
    if (code !== 'ERR_TEST_FAILURE' || !(at as Error).cause)
      reasons.push({ message, isAssertion: code === 'ERR_ASSERTION' || name === 'AssertionError' });
  }
  if (typeof at === 'string') reasons.push({ message: at, isAssertion: false });
  return reasons;
}
