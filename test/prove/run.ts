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
import { type Fate, type Findings, renewRows, summary, writeTable } from './table.ts';
import { versions } from './versions.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    'skip-mutants': { type: 'boolean', default: false },
    'all-mutants': { type: 'boolean', default: false },
    'skip-rigs': { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});

const top = fileURLToPath(new URL('../../', import.meta.url));
const only = options.only?.split(',');
const chosen = promises.filter(({ id }) => only?.includes(id) ?? true);
const toKill = options['skip-mutants'] ? [] : chosenMutants();
const minutes = 60_000;
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort(new Error(signal)));

await withSurroundings({ top }, async () => {
  const quick = { ...process.env, SYNC_RUN_SEED: String(seed) };
  const env = options.quick ? quick : { ...quick, SYNC_RUN_PROVE: 'full' };
  const timeout = options.quick ? 6 * minutes : 60 * minutes;
  const found = await inTurns(options['skip-rigs'] ? [] : filesOf(chosen), (file) =>
    told(file, () => runRig(file, { top, env, signal: stop.signal, timeout })),
  );
  // What kills a mutant in the quick run kills it in the full one.
  const fates = await inTurns(toKill, (mutant) => fateOf(mutant, { ...quick, SYNC_RUN_SEED: '1' }));
  const findings: Findings = {
    quick: options.quick,
    promises: chosen,
    outcomes: found.flat(),
    mutants: fates,
    seed,
    versions: await versions(),
  };
  console.log(summary(findings));
  const isWhole = !options['skip-rigs'] && !options['skip-mutants'];
  if (isWhole && !only && toKill.length === mutants.length) await writeTable(top, findings);
  if (isWhole && only && !(await renewRows(top, findings)))
    console.log('The table in docs/guarantees.md is of another run and stays as it is');
  if (!isProven(findings)) process.exitCode = 1;
});

/** Those of the chosen promises; of all promises the quick run takes a quarter, another one with each seed. */
function chosenMutants(): readonly Mutant[] {
  if (only) return mutants.filter(({ promise }) => only.includes(promise));
  return options.quick && !options['all-mutants'] ? mutants.filter((_, n) => n % 4 === seed % 4) : mutants;
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
  return [...files].filter((file) => !options.quick || options['all-mutants'] || isRig(file));
}

async function told(file: string, work: () => Promise<Outcome[]>): Promise<Outcome[]> {
  const begun = performance.now();
  const outcomes = await work();
  const cases = outcomes.reduce((sum, outcome) => sum + outcome.cases, 0);
  console.log(`${file}: ${outcomes.length} tests, ${cases} cases, ${Math.round((performance.now() - begun) / 1000)} s`);
  for (const { name, ended, reasons } of outcomes) {
    if (ended !== 'passed') console.log(`  ${ended}: ${name}\n    ${reasons.map(({ message }) => message).join('\n    ')}`);
  }
  if (outcomes.length === 0) outcomes.push({ file, name: 'No test was run', ended: 'failed', cases: 0, reasons: [] });
  return outcomes;
}

/** Runs the mutant's rig on a copy without the protection; red must be the rig, and say what is expected. */
async function fateOf(mutant: Mutant, env: NodeJS.ProcessEnv): Promise<Fate> {
  const { rig, tests, red } = mutant;
  const { copy, remove } = await copyWith(top, mutant);
  try {
    const outcomes = await runRig(rig, { top: copy, tests, env, signal: stop.signal, timeout: 5 * minutes });
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
