import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isRig } from '../helpers/rig-folders.ts';
import { withSurroundings } from '../helpers/surroundings.ts';
import { seed } from './cases.ts';
import { mutants } from './mutants.ts';
import { copyWith, type Mutant } from './mutate.ts';
import { type Promised, promises } from './promises.ts';
import { type Outcome, runRig } from './run-rig.ts';
import { belongs, type Fate, type Findings, renewRows, summary, writeTable } from './table.ts';
import { versions } from './versions.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    'skip-mutants': { type: 'boolean', default: false },
    'all-mutants': { type: 'boolean', default: false },
    'skip-rigs': { type: 'boolean', default: false },
    only: { type: 'string' },
    /** How long the whole may take. What is not done by then fails. */
    minutes: { type: 'string', default: '60' },
  },
});

const top = fileURLToPath(new URL('../../', import.meta.url));
const only = options.only?.split(',');
const unknown = only?.filter((wanted) => promises.every(({ id }) => id !== wanted)) ?? [];
if (unknown.length > 0) throw new RangeError(`No promise is called ${unknown.join(', ')}`);
const chosen = promises.filter(({ id }) => only?.includes(id) ?? true);
const toKill = options['skip-mutants'] ? [] : chosenMutants();
const minutes = 60_000;
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)));
const limit = AbortSignal.any([stop.signal, AbortSignal.timeout(Number(options.minutes) * minutes)]);

await withSurroundings({ top }, async () => {
  const { SYNC_RUN_PROVE: _, SYNC_RUN_HISTORIES: __, ...surroundings } = process.env;
  const quick = { ...surroundings, SYNC_RUN_SEED: String(seed) };
  const env = options.quick ? quick : { ...quick, SYNC_RUN_PROVE: 'full' };
  const timeout = options.quick ? 6 * minutes : 60 * minutes;
  const about = await versions();
  const found = await inTurns(options['skip-rigs'] ? [] : filesOf(chosen), (file) =>
    told(file, () => runRig(file, { top, env, signal: limit, timeout })),
  );
  const outcomes = found.flat();
  // What kills a mutant in the quick run kills it in the full one.
  const fates = await inTurns(toKill, (mutant) => fateOf(mutant, outcomes, { ...quick, SYNC_RUN_SEED: '1', SYNC_RUN_MUTANT: '1' }));
  const findings: Findings = {
    quick: options.quick,
    promises: chosen,
    outcomes: [...outcomes, ...withoutTests(chosen, outcomes)],
    mutants: fates,
    seed,
    versions: about,
  };
  console.log(
    `${Math.round(performance.now() / minutes)} minutes${limit.aborted ? ', more than there are: what was not done by then failed' : ''}`,
  );
  console.log(summary(findings));
  const isWhole = !options['skip-rigs'] && !options['skip-mutants'];
  if (isWhole && !only && toKill.length === mutants.length) await writeTable(top, findings);
  if (isWhole && only && !(await renewRows(top, findings)))
    console.log('The table in docs/guarantees.md is of another run and stays as it is');
  if (!isProven(findings)) process.exitCode = 1;
});

/** Those of the chosen promises; of all promises the quick run takes an eighth, another one with each seed. */
function chosenMutants(): readonly Mutant[] {
  if (only) return mutants.filter(({ promise }) => only.includes(promise));
  return options.quick && !options['all-mutants'] ? mutants.filter((_, n) => n % 8 === seed % 8) : mutants;
}

/** As many at once as there are processors; the results in the order of what was given. */
async function inTurns<Item, Result>(items: readonly Item[], work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const left = [...items.entries()];
  const results: Result[] = [];
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next && !stop.signal.aborted; next = left.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  stop.signal.throwIfAborted();
  return results;
}

/** Those of the rigs; where no table is written without what `npm test` runs anyway. */
function filesOf(some: readonly Promised[]): string[] {
  const files = new Set(some.flatMap(({ rigs }) => rigs.map(({ file }) => file)));
  return [...files].filter((file) => !options.quick || options['all-mutants'] || only || isRig(file));
}

/** A rig that was to be run and has no test, as after a test was renamed, proves nothing. */
function withoutTests(some: readonly Promised[], outcomes: readonly Outcome[]): Outcome[] {
  const run = new Set(options['skip-rigs'] ? [] : filesOf(some));
  return some.flatMap(({ id, rigs }) =>
    rigs
      .filter((rig) => run.has(rig.file) && !outcomes.some((outcome) => belongs(outcome, rig)))
      .map(({ file, tests }): Outcome => {
        console.log(`${file} has no test for ${id}${tests ? ` that is called ${tests}` : ''}`);
        return { file, name: `No test for ${id}`, ended: 'failed', cases: 0, reasons: [] };
      }),
  );
}

async function told(file: string, work: () => Promise<Outcome[]>): Promise<Outcome[]> {
  const begun = performance.now();
  const outcomes = (await work()).map(noneIsNothing);
  const cases = outcomes.reduce((sum, outcome) => sum + outcome.cases, 0);
  console.log(`${file}: ${outcomes.length} tests, ${cases} cases, ${Math.round((performance.now() - begun) / 1000)} s`);
  for (const { name, ended, reasons } of outcomes) {
    if (ended !== 'passed') console.log(`  ${ended}: ${name}\n    ${reasons.map(({ message }) => message).join('\n    ')}`);
  }
  return outcomes;
}

/** A test that survived no case proves nothing either. */
function noneIsNothing(outcome: Outcome): Outcome {
  if (outcome.ended !== 'passed' || outcome.cases > 0) return outcome;
  return { ...outcome, ended: 'failed', reasons: [{ message: 'No case was tried', isAssertion: false }] };
}

/** Runs the mutant's rig on a copy without the protection; red must be the rig, which is green with it, and say what is expected. */
async function fateOf(mutant: Mutant, found: readonly Outcome[], env: NodeJS.ProcessEnv): Promise<Fate> {
  const { rig, tests, red } = mutant;
  if (found.some(({ file, ended }) => file === rig && ended === 'failed')) {
    console.log(`mutant "${mutant.name}" (${mutant.promise}): not run, since its rig is red without it`);
    return { mutant, fate: 'not run' };
  }
  const { copy, remove } = await copyWith(top, mutant);
  try {
    const outcomes = await runRig(rig, { top: copy, tests, env, signal: limit, timeout: 5 * minutes });
    const reasons = outcomes.filter(({ ended }) => ended === 'failed').flatMap((outcome) => outcome.reasons);
    const isSkipped = outcomes.length > 0 && outcomes.every(({ ended }) => ended === 'skipped');
    const isKilled = reasons.some(({ message, isAssertion }) => isAssertion && red.test(message));
    const fate = isKilled ? 'killed' : isSkipped ? 'not run' : 'survived';
    const why = reasons.map(({ message }) => message.split('\n', 1)[0]).join('; ') || 'all its tests pass';
    console.log(`mutant "${mutant.name}" (${mutant.promise}): ${fate}${fate === 'survived' ? `: ${why}` : ''}`);
    return { mutant, fate };
  } finally {
    await remove();
  }
}

function isProven({ outcomes, mutants: fates }: Findings): boolean {
  return outcomes.every(({ ended }) => ended !== 'failed') && fates.every(({ fate }) => fate !== 'survived');
}
