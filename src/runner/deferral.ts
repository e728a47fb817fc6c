import type { Reason } from './gate.ts';

/** Why a manifest has to wait. */
export type Deferral = { kind: 'gate'; reasons: Reason[] } | { kind: 'database'; code: string; message: string; retryInMs: number };

/** The same for people. */
export function wordsOf(why: Deferral): string {
  return why.kind === 'gate' ? why.reasons.map((reason) => `${reason.who}: ${reason.why}`).join('; ') : why.message;
}
