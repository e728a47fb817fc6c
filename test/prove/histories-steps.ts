import fc from 'fast-check';
import type { Direction, Side, Source } from '../../src/core/batch.ts';

export const slugs = ['a', 'b', 'c', 'd'];

/** Which lines of a text an edit changes; `none` empties it. */
export type Lines = 'all' | 'top' | 'bottom' | 'none';

export interface Edit {
  side: Side;
  slug: string;
  /** `write` is an editor that saves in place, `replace` one that saves by renaming. */
  how: 'write' | 'replace' | 'delete';
  lines: Lines;
}

/** What happens in the middle of a run, before the `n`th call whose name begins so: the process ends, or somebody edits. */
export interface Fault {
  at: string;
  n: number;
  does: 'crash' | Edit | { switch: string };
}

/** What somebody does in one of two working trees on one database. */
export type Step = { tree: number } & (
  | ({ do: 'edit' } & Edit)
  | { do: 'rename'; side: Side; slug: string; to: string }
  | { do: 'run'; direction: Direction; source: Source; dryRun: boolean; fault: Fault | null }
  | { do: 'resolve'; how: Side | 'merge'; slug: string; fault: Fault | null }
  | { do: 'undo'; fault: Fault | null }
  | { do: 'git'; args: string[] }
  | { do: 'commit' }
  | { do: 'dump' }
  | { do: 'restore'; what: 'rows' | 'all' | 'no-table' }
  | { do: 'configure'; path: 'plain' | 'moved' }
);

/** Of what a tool does with the state, the database and the disk, in the order in which it does it. */
const calls = [
  'store.read',
  'state.begin',
  'disk.',
  'store.begin',
  'row.',
  'row.lockSeen',
  'row.update',
  'store.end',
  'disk.link',
  'disk.rename',
  'disk.unlink',
  'disk.lstat',
  'state.record',
  'state.finish',
  'state.ended',
];

const side = fc.constantFrom<Side>('file', 'row');
const slug = fc.constantFrom(...slugs);
const branch = fc.constantFrom('main', 'other');
const edit: fc.Arbitrary<Edit> = fc.record({
  side,
  slug,
  how: fc.constantFrom('write', 'write', 'write', 'replace', 'delete'),
  lines: fc.constantFrom<Lines>('all', 'all', 'top', 'bottom', 'bottom', 'none'),
});

const certain: fc.Arbitrary<Fault> = fc.record({
  at: fc.constantFrom(...calls),
  n: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 2, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(25) }),
  does: fc.oneof(
    { weight: 4, arbitrary: fc.constant<'crash'>('crash') },
    { weight: 5, arbitrary: edit },
    { weight: 1, arbitrary: fc.record({ switch: branch }) },
  ),
});
const fault = fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: certain });

const as = <T extends string>(name: T) => fc.constant(name);
const tree = fc.constantFrom(0, 0, 0, 0, 0, 0, 1);
const git: fc.Arbitrary<string[]> = fc.oneof(
  { weight: 4, arbitrary: branch.map((name) => ['switch', '--quiet', name]) },
  { weight: 1, arbitrary: branch.map((name) => ['switch', '--quiet', '--force', name]) },
  {
    weight: 6,
    arbitrary: fc.constantFrom<string[]>(
      ['reset', '--quiet', '--hard'],
      ['reset', '--quiet', '--hard', 'HEAD~1'],
      ['stash', '--quiet', '--include-untracked'],
      ['stash', 'pop', '--quiet'],
      ['merge', '--quiet', '--no-edit', 'other'],
      ['merge', '--abort'],
      ['checkout', '--quiet', '--', 'db'],
      ['clean', '--quiet', '--force', '-d', 'db'],
    ),
  },
);

/** One step, as often as people do such things. */
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 26, arbitrary: fc.tuple(edit, tree).map(([one, at]): Step => ({ do: 'edit', tree: at, ...one })) },
  { weight: 3, arbitrary: fc.record({ do: as('rename'), tree, side, slug, to: slug }) },
  {
    weight: 9,
    arbitrary: fc.record({ do: as('run'), tree, direction: as('sync'), source: as('cli'), dryRun: fc.constant(false), fault }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: as('run'),
      tree,
      direction: fc.constantFrom<Direction>('export', 'import', 'sync'),
      source: fc.constantFrom<Source>('cli', 'hook', 'watcher'),
      dryRun: fc.constantFrom(false, false, false, true),
      fault,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: as('resolve'), tree, how: fc.constantFrom<Side | 'merge'>('file', 'row', 'merge'), slug, fault }),
  },
  { weight: 2, arbitrary: fc.record({ do: as('undo'), tree, fault }) },
  { weight: 2, arbitrary: fc.record({ do: as('commit'), tree }) },
  { weight: 2, arbitrary: fc.record({ do: as('git'), tree, args: git }) },
  { weight: 1, arbitrary: fc.record({ do: as('dump'), tree: fc.constant(0) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: as('restore'), tree: fc.constant(0), what: fc.constantFrom('rows', 'rows', 'all', 'no-table') }),
  },
  { weight: 1, arbitrary: fc.record({ do: as('configure'), tree, path: fc.constantFrom('plain', 'moved', 'moved') }) },
);

/** Edits that give a run something to do, and the run in whose middle something happens. */
const disturbed: fc.Arbitrary<Step[]> = fc
  .tuple(
    tree,
    fc.array(edit, { minLength: 1, maxLength: 3 }),
    fc.constantFrom<Direction>('sync', 'sync', 'sync', 'export', 'import'),
    certain,
  )
  .map(([at, edits, direction, one]): Step[] => [
    ...edits.map((did): Step => ({ do: 'edit', tree: at, ...did })),
    { do: 'run', tree: at, direction, source: 'cli', dryRun: false, fault: one },
  ]);

/** What comes after the beginning of a history. */
export const history: fc.Arbitrary<Step[]> = fc
  .array(fc.oneof({ weight: 4, arbitrary: step.map((did) => [did]) }, { weight: 2, arbitrary: disturbed }), { minLength: 8, maxLength: 30 })
  .map((parts) => parts.flat());
