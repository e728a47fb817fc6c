import type { Mutant } from './mutate.ts';

/** Every protection, and the rig that goes red without it. */
export const mutants: readonly Mutant[] = [];
