import type { Mutant } from './mutate.ts';

/** Of a second run, of what hooks wait for, and of the socket. */
export const mutantsLive: readonly Mutant[] = [
  {
    name: 'what both sides agree on is adopted again',
    promise: 'G10',
    file: 'src/core/plan.ts',
    find: "if (file === row) return file === base ? 'in-sync' : 'agreed';",
    replace: "if (file === row) return 'agreed';",
    rig: 'test/prove/quiescence.test.ts',
    tests: /on sqlite a run of any kind/,
    red: /a second run writes nothing/,
  },
  {
    name: 'a row is written again with the text it has',
    promise: 'G10',
    file: 'src/core/plan.ts',
    find: "if (state === 'in-sync') return decision;",
    replace:
      "if (state === 'in-sync') return { ...decision, row: item.row && policy.direction !== 'export' ? { kind: 'update', key: null, text: true } : null };",
    rig: 'test/prove/quiescence.test.ts',
    tests: /on innodb a run of any kind/,
    red: /a second run writes nothing/,
  },
  {
    name: 'the commit is recorded again',
    promise: 'G10',
    file: 'src/runner/follow-up.ts',
    find: 'seesCommit && moved ? seen : {};',
    replace: 'seesCommit ? seen : {};',
    rig: 'test/prove/quiescence.test.ts',
    tests: /on sqlite a run of any kind/,
    red: /a second run writes nothing/,
  },
];
