import { mutantsAround } from './mutants-around.ts';
import { mutantsOfFiles } from './mutants-files.ts';
import { mutantsLive } from './mutants-live.ts';
import { mutantsOfRows } from './mutants-rows.ts';
import type { Mutant } from './mutate.ts';

/** Every protection, and the rig that goes red without it. */
export const mutants: readonly Mutant[] = [...mutantsOfFiles, ...mutantsOfRows, ...mutantsAround, ...mutantsLive];
