import { mutantsAround } from './mutants-around.ts';
import { mutantsOfDatabases } from './mutants-database.ts';
import { mutantsOfDurability } from './mutants-durable.ts';
import { mutantsOfFiles } from './mutants-files.ts';
import { mutantsOfHostility } from './mutants-hostile.ts';
import { mutantsLive } from './mutants-live.ts';
import { mutantsOfNames } from './mutants-names.ts';
import { mutantsOfOrder } from './mutants-order.ts';
import { mutantsOfPlans } from './mutants-plan.ts';
import { mutantsOfRows } from './mutants-rows.ts';
import { mutantsOfWaiting } from './mutants-waiting.ts';
import type { Mutant } from './mutate.ts';

/** Every protection, and the rig that goes red without it. */
export const mutants: readonly Mutant[] = [
  ...mutantsOfDurability,
  ...mutantsOfOrder,
  ...mutantsOfFiles,
  ...mutantsOfDatabases,
  ...mutantsOfRows,
  ...mutantsOfPlans,
  ...mutantsAround,
  ...mutantsLive,
  ...mutantsOfHostility,
  ...mutantsOfNames,
  ...mutantsOfWaiting,
];
