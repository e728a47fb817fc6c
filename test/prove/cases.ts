import type { TestContext } from 'node:test';

/** `SYNC_RUN_PROVE=full` tries every case there is; else a sample that differs by seed. */
export const full = process.env.SYNC_RUN_PROVE === 'full';

/** Printed by every rig that draws, so that a failing run can be repeated. */
export const seed = Number(process.env.SYNC_RUN_SEED ?? Math.floor(Math.random() * 2 ** 31));

export interface Cases {
  /** Faults that were injected, each with everything checked after it. */
  cases: number;
  /** How many there are, where only a sample was tried. */
  of?: number;
  /** How they ended, for people. */
  detail?: string;
}

/** Tells the run of all rigs how many faults this test survived. */
export function survived(t: TestContext, { cases, of, detail }: Cases): void {
  t.diagnostic(`survived ${cases}${of === undefined || of === cases ? '' : ` of ${of}`} cases${detail ? `: ${detail}` : ''}; seed ${seed}`);
}

/** What `survived` said, or null for another line. */
export function casesIn(line: string): { cases: number; seed: number } | null {
  const [, cases, seed] = /^survived (\d+)(?: of \d+)? cases.*; seed (\d+)$/s.exec(line) ?? [];
  return cases === undefined ? null : { cases: Number(cases), seed: Number(seed) };
}

/** Random numbers in [0, 1) that follow from a seed (mulberry32). */
export function randomFrom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Every `stride`th number from 1 to `last`, beginning at one the seed picks, so that about `wanted` are.
 *
 * @param inFull how many in the full run, where all of them would take too long
 */
export function sample(last: number, wanted: number, inFull = last): number[] {
  const stride = Math.max(1, Math.floor(last / (full ? inFull : wanted)));
  const first = 1 + (seed % stride);
  const picked: number[] = [];
  for (let at = first; at <= last; at += stride) picked.push(at);
  return picked;
}
