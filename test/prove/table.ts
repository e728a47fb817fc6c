import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Mutant } from './mutate.ts';
import type { Promised, Rig } from './promises.ts';
import type { Outcome } from './run-rig.ts';

/** What became of a mutant: its rig noticed it, did not notice it, or could not run here. */
export interface Fate {
  mutant: Mutant;
  fate: 'killed' | 'survived' | 'not run';
}

export interface Findings {
  /** Whether only a sample of the cases was tried. */
  quick: boolean;
  promises: readonly Promised[];
  outcomes: readonly Outcome[];
  mutants: readonly Fate[];
  seed: number;
  versions: readonly [name: string, version: string][];
}

const BEGIN = '<!-- What follows is written by `npm run prove`. -->';
const END = '<!-- Here it ends. -->';

/** Puts the table of these findings into `docs/guarantees.md`. */
export async function writeTable(top: string, findings: Findings): Promise<void> {
  await replaceTable(top, () => table(findings));
}

/**
 * Puts what was found of some promises in place of what the table says of them, as after a fix.
 *
 * @returns whether it did; a table of another kind of run, or of other versions, stays as it is
 */
export async function renewRows(top: string, findings: Findings): Promise<boolean> {
  let isAlike = false;
  await replaceTable(top, (old) => {
    const [intro = '', ...lines] = old.split('\n');
    const withoutSeed = (text: string): string => text.replace(/; seed \d+/, '');
    isAlike = withoutSeed(intro).startsWith(withoutSeed(introOf(findings)));
    if (!isAlike) return old;
    const ids = findings.promises.map(({ id }) => id);
    const rest = lines.flatMap((line) => {
      const promised = findings.promises.find(({ id }) => line.startsWith(`| ${id} |`));
      return promised ? rowOf(promised, findings) : line.startsWith('| ') && ids.some((id) => line.includes(`(${id}) |`)) ? [] : line;
    });
    return [`${intro} Run again: ${ids.join(', ')}; seed ${findings.seed}.`, ...rest, ...findings.mutants.map(fateRow)].join('\n');
  });
  return isAlike;
}

async function replaceTable(top: string, tableFor: (old: string) => string): Promise<void> {
  const path = join(top, 'docs/guarantees.md');
  const text = await readFile(path, 'utf8');
  const [before, rest] = text.split(`${BEGIN}\n`);
  const [old, after] = rest?.split(`\n${END}`) ?? [];
  if (before === undefined || old === undefined || after === undefined) throw new Error(`"${path}" does not say where the table belongs`);
  await writeFile(path, `${before}${BEGIN}\n${tableFor(old)}\n${END}${after}`);
}

function table(findings: Findings): string {
  return [
    introOf(findings),
    '',
    '| | Promise | Fault | Cases | Survived | Not run | Mutants killed |',
    '| --- | --- | --- | ---: | ---: | ---: | ---: |',
    ...findings.promises.map((promised) => rowOf(promised, findings)),
    '',
    '| Mutant | Goes red | Fate |',
    '| --- | --- | --- |',
    ...findings.mutants.map(fateRow),
  ].join('\n');
}

function introOf({ quick, seed, versions }: Findings): string {
  const kind = quick ? 'Quick run: a sample of the cases, and all mutants' : 'Full run';
  return `${kind}; seed ${seed}; ${versions.map((pair) => pair.join(' ')).join(', ')}.`;
}

function rowOf(promised: Promised, findings: Findings): string {
  const { cases, survived, notRun, killed, all } = counted(promised, findings);
  const mutants = all === 0 ? '' : `${killed} of ${all}`;
  return `| ${promised.id} | ${promised.promise} | ${promised.fault} | ${cases} | ${survived} | ${notRun || ''} | ${mutants} |`;
}

function fateRow({ mutant, fate }: Fate): string {
  return `| ${mutant.name} | \`${mutant.rig}\` (${mutant.promise}) | ${fate} |`;
}

/** A line for each promise and one for all, for people at a terminal. The last counts tests, as every suite of this project does. */
export function summary(findings: Findings): string {
  const lines = findings.promises.map((promised) => {
    const { cases, survived, notRun, killed, all } = counted(promised, findings);
    const parts = [cases + notRun > 0 ? `${survived} of ${cases} cases survived` : 'no rig was run'];
    if (notRun > 0) parts.push(`${notRun} tests not run`);
    if (all > 0) parts.push(`${killed} of ${all} mutants killed`);
    return `${promised.id} ${promised.promise}: ${parts.join(', ')}`;
  });
  const ended = (wanted: Outcome['ended']): number => findings.outcomes.filter((outcome) => outcome.ended === wanted).length;
  const fates = (wanted: Fate['fate']): number => findings.mutants.filter(({ fate }) => fate === wanted).length;
  return [
    ...lines,
    `Seed ${findings.seed}`,
    `${ended('passed') + fates('killed')} passed, ${ended('failed') + fates('survived')} failed, ${ended('skipped') + fates('not run')} skipped`,
  ].join('\n');
}

interface Counted {
  cases: number;
  survived: number;
  /** Tests that could not run here. */
  notRun: number;
  killed: number;
  all: number;
}

function counted({ id, rigs }: Promised, { outcomes, mutants }: Findings): Counted {
  const mine = outcomes.filter((outcome) => rigs.some((rig) => belongs(outcome, rig)));
  const sum = (some: readonly Outcome[]): number => some.reduce((total, { cases }) => total + cases, 0);
  const fates = mutants.filter(({ mutant }) => mutant.promise === id);
  return {
    cases: sum(mine),
    survived: sum(mine.filter(({ ended }) => ended === 'passed')),
    notRun: mine.filter(({ ended }) => ended === 'skipped').length,
    killed: fates.filter(({ fate }) => fate === 'killed').length,
    all: fates.length,
  };
}

/** Whether a test is of this rig. */
export function belongs({ file, name }: Outcome, { file: wanted, tests }: Rig): boolean {
  return file === wanted && (tests?.test(name) ?? true);
}
