import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Direction, Side } from '../../src/core/batch.ts';
import { EMPTY_DIGEST } from '../../src/core/digest.ts';
import { type Decision, planItem, type Policy } from '../../src/core/plan.ts';
import { itemOf, type Sketch } from '../helpers/items.ts';

/**
 * What happens to an item, for every combination of its three sides. A side is `-` (absent), `B` (as the base), `F` or `R`.
 *
 * `.` nothing · `=` adopted · `!` conflict · `aF` `aR` ahead, only reported · `>F` `>R` text written · `+F` `+R` created · `-F` `-R` deleted
 *
 * The columns are export, import and sync without `--prefer`, then with `--prefer file`, then with `--prefer row`.
 */
const table = `
  base file row |  export import sync | file: export import sync | row: export import sync
  B    B    B   |  .      .      .    |       .      .      .    |      .      .      .
  B    F    B   |  aF     >R     >R   |       aF     >R     >R   |      aF     >R     >R
  B    B    R   |  >F     aR     >F   |       >F     aR     >F   |      >F     aR     >F
  B    F    F   |  =      =      =    |       =      =      =    |      =      =      =
  B    F    R   |  !      !      !    |       !      >R     >R   |      >F     !      >F
  B    -    B   |  aF     -R     -R   |       aF     -R     -R   |      aF     -R     -R
  B    B    -   |  -F     aR     -F   |       -F     aR     -F   |      -F     aR     -F
  B    -    -   |  =      =      =    |       =      =      =    |      =      =      =
  B    -    R   |  !      !      !    |       !      -R     -R   |      +F     !      +F
  B    F    -   |  !      !      !    |       !      +R     +R   |      -F     !      -F
  -    -    -   |  .      .      .    |       .      .      .    |      .      .      .
  -    F    -   |  aF     +R     +R   |       aF     +R     +R   |      aF     +R     +R
  -    -    R   |  +F     aR     +F   |       +F     aR     +F   |      +F     aR     +F
  -    F    F   |  =      =      =    |       =      =      =    |      =      =      =
  -    F    R   |  !      !      !    |       !      >R     >R   |      >F     !      >F
`;

const directions: Direction[] = ['export', 'import', 'sync'];
const text = (letter: string | undefined): string | null => (letter === '-' || letter === undefined ? null : letter);

function rowsOf(lines: string): { sides: string[]; expected: string[][] }[] {
  return lines
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [sides, ...groups] = line.split('|').map((part) => part.trim().split(/\s+/));
      return { sides: sides ?? [], expected: groups };
    });
}

function policyOf(direction: Direction, prefer: Side | null = null, more: Partial<Policy> = {}): Policy {
  return { direction, source: 'cli', prefer, settle: null, ...more };
}

function symbol(decision: Decision): string {
  const { file, row, item } = decision;
  if (decision.skip) return decision.skip.code;
  if (decision.missing && !decision.ahead) return 'missing';
  if (decision.conflict) return '!';
  if (decision.adopt) return '=';
  const done: string[] = [];
  if (file?.kind === 'delete') done.push('-F');
  else if (file) done.push(`${item.file ? (file.path === item.file.seen.path ? '>' : 'm') : '+'}F`);
  if (row?.kind === 'delete') done.push('-R');
  else if (row?.kind === 'insert') done.push('+R');
  else if (row) done.push(`${row.key ? 'm' : '>'}R`);
  if (decision.ahead) done.push(decision.ahead === 'file' ? 'aF' : 'aR');
  return done.join(' ') || '.';
}

describe('the three-way plan', () => {
  for (const { sides, expected } of rowsOf(table)) {
    const [base, file, row] = sides.map(text);
    for (const [group, prefer] of [null, 'file', 'row'].entries()) {
      for (const [index, direction] of directions.entries()) {
        it(`base ${sides[0]}, file ${sides[1]}, row ${sides[2]}: ${direction}${prefer ? ` --prefer ${prefer}` : ''}`, () => {
          const decision = planItem(itemOf({ base, file, row }), policyOf(direction, prefer as Side | null));
          assert.equal(symbol(decision), expected[group]?.[index]);
        });
      }
    }
  }
});

/** Names and texts move independently. A name is `a` in the base. Columns as above, without `--prefer`. */
const renames = `
  base file row | fileName rowName | export  import  sync
  B    B    B   | b        a       | aF      mR      mR
  B    B    B   | a        b       | mF      aR      mF
  B    B    B   | b        b       | =       =       =
  B    B    B   | b        c       | !       !       !
  B    B    R   | b        a       | >F_aF   mR_aR   >F_mR
  B    F    B   | a        b       | mF_aF   >R_aR   mF_>R
  B    F    B   | b        a       | aF      mR      mR
  B    B    R   | a        b       | mF      aR      mF
  B    F    R   | b        a       | !       !       !
  B    F    R   | a        b       | !       !       !
`;

describe('renames', () => {
  for (const { sides, expected } of rowsOf(renames)) {
    const [base, file, row] = sides.map(text);
    const [fileName, rowName] = expected[0] ?? [];
    for (const [index, direction] of directions.entries()) {
      it(`base ${sides[0]}, file ${sides[1]} as ${fileName}, row ${sides[2]} as ${rowName}: ${direction}`, () => {
        const decision = planItem(itemOf({ base, file, row, fileName, rowName }), policyOf(direction));
        assert.equal(symbol(decision), expected[1]?.[index]?.replaceAll('_', ' '));
      });
    }
  }

  it('moves the row and keeps its text where only the file moved', () => {
    const decision = planItem(itemOf({ base: 'B', file: 'B', row: 'B', fileName: 'b' }), policyOf('sync'));
    assert.deepEqual(decision.row, { kind: 'update', key: { slug: 'b' }, text: false });
  });

  it('applies a renamed file and an edited row both', () => {
    const decision = planItem(itemOf({ base: 'B', file: 'B', row: 'R', fileName: 'b' }), policyOf('sync'));
    assert.deepEqual(decision.row, { kind: 'update', key: { slug: 'b' }, text: false });
    assert.deepEqual(decision.file, { kind: 'write', path: 'db/pages/b.html', text: 'row' });
  });
});

describe('what keeps a batch from writing', () => {
  const cases: [string, Sketch, Partial<Policy>, string][] = [
    ['a hook deletes no row whose file may only be missing', { base: 'B', row: 'B' }, { source: 'hook' }, 'missing'],
    [
      'a hook deletes the row of a file that git removed',
      { base: 'B', row: 'B', facts: { removedFromIndex: true } },
      { source: 'hook' },
      '-R',
    ],
    ['a typed command deletes the row of a missing file', { base: 'B', row: 'B' }, { source: 'cli' }, '-R'],
    ['deletes are ignored where the mapping says so', { base: 'B', row: 'B', mapping: { delete: 'ignore' } }, {}, 'DELETE_IGNORED'],
    ['deletes of files are ignored likewise', { base: 'B', file: 'B', mapping: { delete: 'ignore' } }, {}, 'DELETE_IGNORED'],
    [
      'rows to files only: a file ahead stays',
      { base: 'B', file: 'F', row: 'B', mapping: { direction: 'rows-to-files' } },
      {},
      'DIRECTION',
    ],
    ['rows to files only: a row ahead arrives', { base: 'B', file: 'B', row: 'R', mapping: { direction: 'rows-to-files' } }, {}, '>F'],
    ['files to rows only: a row ahead stays', { base: 'B', file: 'B', row: 'R', mapping: { direction: 'files-to-rows' } }, {}, 'DIRECTION'],
    [
      'a read-only row is not written',
      { base: 'B', file: 'F', row: 'B', mapping: { rules: { readOnly: { column: 'slug', values: ['a'] } } } },
      {},
      'READ_ONLY',
    ],
    [
      'a read-only row is not deleted',
      { base: 'B', row: 'B', mapping: { rules: { readOnly: { column: 'slug', values: ['a'] } } } },
      {},
      'READ_ONLY',
    ],
    [
      'a read-only row reaches its file',
      { base: 'B', file: 'B', row: 'R', mapping: { rules: { readOnly: { column: 'slug', values: ['a'] } } } },
      {},
      '>F',
    ],
    [
      'nothing is renamed into a read-only key',
      { base: 'B', file: 'B', row: 'B', fileName: 'b', mapping: { rules: { readOnly: { column: 'slug', values: ['b'] } } } },
      {},
      'READ_ONLY',
    ],
    ['a new file equal to what it would inherit is no override', { file: 'F', facts: { inherited: 'F' } }, {}, 'INHERITED'],
    ['a new file that differs from what it would inherit is one', { file: 'F', facts: { inherited: 'B' } }, {}, '+R'],
    ['a file that became empty is not imported', { base: 'B', file: EMPTY_DIGEST, row: 'B' }, {}, 'EMPTY'],
    ['a row that became empty is not exported', { base: 'B', file: 'B', row: EMPTY_DIGEST }, {}, 'EMPTY'],
    ['unless the mapping allows it', { base: 'B', file: 'B', row: EMPTY_DIGEST, mapping: { empty: 'allow' } }, {}, '>F'],
    ['a new empty file is a new empty text', { file: EMPTY_DIGEST }, {}, '+R'],
    ['an unmerged file waits', { base: 'B', file: 'F', row: 'B', facts: { unmerged: true } }, {}, 'UNMERGED'],
    ['a path outside the sparse checkout is out of scope', { base: 'B', row: 'B', facts: { sparse: true } }, {}, 'SPARSE'],
    ['a row outside the sparse checkout writes no file', { base: 'B', row: 'R', facts: { sparse: true } }, {}, 'SPARSE'],
    [
      'an undone item is left alone by hooks',
      { base: 'B', file: 'F', row: 'B', facts: { held: { file: 'F', row: 'B' } } },
      { source: 'watcher' },
      'HELD',
    ],
    ['until it is edited again', { base: 'B', file: 'G', row: 'B', facts: { held: { file: 'F', row: 'B' } } }, { source: 'watcher' }, '>R'],
    ['and a typed command carries it over', { base: 'B', file: 'F', row: 'B', facts: { held: { file: 'F', row: 'B' } } }, {}, '>R'],
    [
      'a pair left as a conflict stays one when a branch switch makes it look settled',
      { base: 'R', file: 'F', row: 'R', facts: { openConflict: { file: 'F', row: 'R' } } },
      {},
      '!',
    ],
    ['until it is settled', { base: 'R', file: 'F', row: 'R', facts: { openConflict: { file: 'F', row: 'R' } } }, { prefer: 'file' }, '>R'],
    ['another text is another matter', { base: 'R', file: 'G', row: 'R', facts: { openConflict: { file: 'F', row: 'R' } } }, {}, '>R'],
    ['resolve --row gives up a file that is ahead', { base: 'B', file: 'F', row: 'B' }, { settle: 'row' }, '>F'],
    ['resolve --row brings back a missing file', { base: 'B', row: 'B' }, { settle: 'row' }, '+F'],
    ['resolve --file gives up a row that is ahead', { base: 'B', file: 'B', row: 'R' }, { settle: 'file' }, '>R'],
    ['resolve --file brings back a deleted row', { base: 'B', file: 'B' }, { settle: 'file' }, '+R'],
    ['resolve --file deletes no row that never had a file', { row: 'R' }, { settle: 'file' }, 'aR'],
    ['resolve --row deletes no file that never had a row', { file: 'F' }, { settle: 'row' }, 'aF'],
    ['--prefer says nothing of a file that became empty', { base: 'B', file: EMPTY_DIGEST, row: 'B' }, { prefer: 'row' }, 'EMPTY'],
    ['--prefer settles a conflict also with an empty text', { base: 'B', file: EMPTY_DIGEST, row: 'R' }, { prefer: 'file' }, '>R'],
    ['a file is deleted and its row renamed: a conflict', { base: 'B', row: 'B', rowName: 'b' }, {}, '!'],
    [
      'a missing file of a mapping that applies no deletes is none',
      { base: 'B', row: 'B', mapping: { delete: 'ignore' } },
      { source: 'hook' },
      'DELETE_IGNORED',
    ],
    [
      'nor is one of a mapping that writes no rows',
      { base: 'B', row: 'B', mapping: { direction: 'rows-to-files' } },
      { source: 'hook' },
      'DIRECTION',
    ],
  ];
  for (const [name, sketch, policy, expected] of cases) {
    it(name, () => {
      assert.equal(symbol(planItem(itemOf(sketch), policyOf('sync', null, policy))), expected);
    });
  }
});

const side = fc.constantFrom('B', 'F', 'R', null);
const name = fc.constantFrom('a', 'b', 'c');
const sketches = fc.record({ base: side, file: side, row: side, fileName: name, rowName: name });
const policies = fc.record({
  direction: fc.constantFrom(...directions),
  source: fc.constantFrom('cli' as const, 'hook' as const),
  prefer: fc.constantFrom(null, 'file' as const, 'row' as const),
  settle: fc.constant(null),
});

describe('for every item and policy', () => {
  it('nothing is overwritten that the base does not hold, unless somebody said which side wins', () => {
    fc.assert(
      fc.property(sketches, policies, (sketch, policy) => {
        const decision = planItem(itemOf(sketch), policy);
        const { item, file, row, loser } = decision;
        const overwritesFile = file?.kind === 'delete' || (file?.kind === 'write' && file.text === 'row');
        const overwritesRow = row?.kind === 'delete' || (row?.kind === 'update' && row.text);
        if (overwritesFile && item.file && item.file.text !== item.base?.text) assert.equal(loser, 'file');
        if (overwritesRow && item.row && item.row.text !== item.base?.text) assert.equal(loser, 'row');
        if (loser !== null) assert.notEqual(policy.prefer, null);
      }),
      { numRuns: 5000 },
    );
  });

  it('what a sync did leaves nothing for the next one', () => {
    fc.assert(
      fc.property(sketches, policies, (sketch, policy) => {
        const sync = { ...policy, direction: 'sync' as const };
        const first = planItem(itemOf(sketch), sync);
        if (first.conflict || first.skip || first.missing || !(first.file || first.row)) return;
        const after = applied(sketch, first);
        assert.equal(symbol(planItem(itemOf(after), sync)), '.');
      }),
      { numRuns: 5000 },
    );
  });

  it('the direction is kept: export writes no row, import writes no file', () => {
    fc.assert(
      fc.property(sketches, policies, (sketch, policy) => {
        const decision = planItem(itemOf(sketch), policy);
        if (policy.direction === 'export') assert.equal(decision.row, null);
        if (policy.direction === 'import') assert.equal(decision.file, null);
      }),
      { numRuns: 5000 },
    );
  });
});

/** What the sides hold once the decision is carried out. */
function applied(sketch: Sketch, { file, row, item }: Decision): Sketch {
  let { file: fileText, row: rowText, fileName, rowName } = sketch;
  const before = { fileText, rowText };
  if (file?.kind === 'delete') fileText = null;
  else if (file) {
    if (file.text === 'row') fileText = before.rowText;
    fileName = file.path.slice('db/pages/'.length, -'.html'.length);
  }
  if (row?.kind === 'delete') rowText = null;
  else if (row?.kind === 'insert') {
    rowText = before.fileText;
    rowName = sketch.fileName;
  } else if (row) {
    if (row.text) rowText = before.fileText;
    rowName = row.key?.slug ?? rowName;
  }
  const gone = fileText === null || rowText === null;
  return {
    base: gone ? null : fileText,
    file: fileText,
    row: rowText,
    fileName,
    rowName,
    baseName: gone ? 'a' : fileName,
    mapping: item.mapping,
  };
}
