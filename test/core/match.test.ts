import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type FileSide, match, type RowSide } from '../../src/core/match.ts';
import type { BaseEntry } from '../../src/core/model.ts';
import type { Item } from '../../src/core/plan.ts';
import { baseEntry, fileSeen, mappingOf, rowSeen } from '../helpers/items.ts';

const mapping = mappingOf();
const file = (slug: string, text: string): FileSide => ({
  seen: fileSeen(`db/pages/${slug}.html`, text),
  text,
  key: { slug },
  refusal: null,
});
const row = (pk: string, slug: string, text: string): RowSide => ({
  seen: rowSeen(`["${pk}"]`, { slug }, text),
  text,
  path: `db/pages/${slug}.html`,
  refusal: null,
});
const base = (pk: string, slug: string, text: string, more: Partial<BaseEntry> = {}): BaseEntry =>
  baseEntry(slug, text, { pk: `["${pk}"]`, ...more });

interface Found {
  base?: BaseEntry[];
  rows?: RowSide[];
  files?: FileSide[];
  renames?: [string, string][];
}

/** Items as `base/file/row` with names and texts: `1:a=B / b=B / 1:a=B`. */
function paired({ base: entries = [], rows = [], files = [], renames = [] }: Found): { items: string[]; forgotten: string[] } {
  const path = (slug: string) => `db/pages/${slug}.html`;
  const slugOf = (at: string) => at.slice('db/pages/'.length, -'.html'.length);
  const matched = match({ mapping, base: entries, rows, files, renames: new Map(renames.map(([to, from]) => [path(to), path(from)])) });
  const show = (item: Item) =>
    [
      item.base ? `${item.base.pk}${slugOf(item.base.path)}=${item.base.text}` : '-',
      item.file ? `${slugOf(item.file.seen.path)}=${item.file.text}` : '-',
      item.row ? `${item.row.seen.pk}${slugOf(item.row.path)}=${item.row.text}` : '-',
    ].join(' / ') + (item.skip ? ` ${item.skip.code}` : '');
  return { items: matched.items.map(show).sort(), forgotten: matched.forgotten.map((entry) => entry.pk) };
}

describe('pairing base, files and rows', () => {
  const cases: [string, Found, string[], string[]?][] = [
    [
      'all three by primary key and base path',
      { base: [base('1', 'a', 'B')], files: [file('a', 'F')], rows: [row('1', 'a', 'R')] },
      ['["1"]a=B / a=F / ["1"]a=R'],
    ],
    ['without a base, a file and a row by path', { files: [file('a', 'F')], rows: [row('1', 'a', 'R')] }, ['- / a=F / ["1"]a=R']],
    [
      'a row whose name changed keeps its file',
      { base: [base('1', 'a', 'B')], files: [file('a', 'B')], rows: [row('1', 'b', 'B')] },
      ['["1"]a=B / a=B / ["1"]b=B'],
    ],
    [
      'a row deleted and inserted anew is found by its key',
      { base: [base('1', 'a', 'B')], files: [file('a', 'B')], rows: [row('9', 'a', 'B')] },
      ['["1"]a=B / a=B / ["9"]a=B'],
    ],
    [
      'rows that swapped names keep their own files',
      {
        base: [base('1', 'a', 'A'), base('2', 'b', 'B')],
        files: [file('a', 'A'), file('b', 'B')],
        rows: [row('1', 'b', 'A'), row('2', 'a', 'B')],
      },
      ['["1"]a=A / a=A / ["1"]b=A', '["2"]b=B / b=B / ["2"]a=B'],
    ],
    [
      'a file already where the row moved to is its file',
      { base: [base('1', 'a', 'B')], files: [file('b', 'B')], rows: [row('1', 'b', 'B')] },
      ['["1"]a=B / b=B / ["1"]b=B'],
    ],
    [
      'a vanished and a new file with the same text are a rename',
      { base: [base('1', 'a', 'B')], files: [file('b', 'B')], rows: [row('1', 'a', 'B')] },
      ['["1"]a=B / b=B / ["1"]a=B'],
    ],
    [
      'and so is what git calls one, whatever the text',
      { base: [base('1', 'a', 'B')], files: [file('b', 'F')], rows: [row('1', 'a', 'B')], renames: [['b', 'a']] },
      ['["1"]a=B / b=F / ["1"]a=B'],
    ],
    [
      'another text that git does not know of is a deletion and an addition',
      { base: [base('1', 'a', 'B')], files: [file('b', 'F')], rows: [row('1', 'a', 'B')] },
      ['- / b=F / -', '["1"]a=B / - / ["1"]a=B'],
    ],
    [
      'two vanished with the same text are ambiguous',
      { base: [base('1', 'a', 'B'), base('2', 'c', 'B')], files: [file('b', 'B')], rows: [row('1', 'a', 'B'), row('2', 'c', 'B')] },
      ['- / b=B / -', '["1"]a=B / - / ["1"]a=B', '["2"]c=B / - / ["2"]c=B'],
    ],
    [
      'two new with the same text are ambiguous',
      { base: [base('1', 'a', 'B')], files: [file('b', 'B'), file('c', 'B')], rows: [row('1', 'a', 'B')] },
      ['- / b=B / -', '- / c=B / -', '["1"]a=B / - / ["1"]a=B'],
    ],
    [
      'a name another row has is no rename',
      { base: [base('1', 'a', 'B')], files: [file('b', 'B')], rows: [row('1', 'a', 'B'), row('2', 'b', 'R')] },
      ['- / b=B / ["2"]b=R', '["1"]a=B / - / ["1"]a=B'],
    ],
    [
      'a file under another name of the very same row is its file, and waits for the right name',
      {
        base: [base('1', 'a', 'B')],
        files: [{ ...file('A', 'F'), key: { slug: 'a' }, refusal: { code: 'WRONG_PATH', message: '' } }],
        rows: [row('1', 'a', 'B')],
      },
      ['["1"]a=B / A=F / ["1"]a=B WRONG_PATH'],
    ],
    [
      'names that were exchanged on both sides are agreed on',
      {
        base: [base('1', 'a', 'A'), base('2', 'b', 'B')],
        files: [file('a', 'B'), file('b', 'A')],
        rows: [row('1', 'b', 'A'), row('2', 'a', 'B')],
      },
      ['["1"]a=A / b=A / ["1"]b=A', '["2"]b=B / a=B / ["2"]a=B'],
    ],
    [
      'so is a name that was passed on',
      {
        base: [base('1', 'home', 'A'), base('2', 'new', 'B')],
        files: [file('old', 'A'), file('home', 'B')],
        rows: [row('1', 'old', 'A'), row('2', 'home', 'B')],
      },
      ['["1"]home=A / old=A / ["1"]old=A', '["2"]new=B / home=B / ["2"]home=B'],
    ],
    [
      'with the files edited since',
      {
        base: [base('1', 'home', 'A'), base('2', 'new', 'B')],
        files: [file('old', 'A2'), file('home', 'B2')],
        rows: [row('1', 'old', 'A'), row('2', 'home', 'B')],
      },
      ['["1"]home=A / old=A2 / ["1"]old=A', '["2"]new=B / home=B2 / ["2"]home=B'],
    ],
    [
      'rows that exchanged names while both files were edited: nobody can say whether those moved, too',
      {
        base: [base('1', 'a', 'A'), base('2', 'b', 'B')],
        files: [file('a', 'A2'), file('b', 'B2')],
        rows: [row('1', 'b', 'A'), row('2', 'a', 'B')],
      },
      ['["1"]a=A / a=A2 / ["1"]b=A OCCUPIED', '["2"]b=B / b=B2 / ["2"]a=B OCCUPIED'],
    ],
    [
      'a name that was passed on, with the file of the second gone: nobody can say which file is whose',
      {
        base: [base('1', 'home', 'A'), base('2', 'new', 'B')],
        files: [file('home', 'X')],
        rows: [row('1', 'old', 'A'), row('2', 'home', 'B')],
      },
      ['["1"]home=A / home=X / ["1"]old=A OCCUPIED', '["2"]new=B / - / ["2"]home=B OCCUPIED'],
    ],
    ['what is gone on both sides is forgotten', { base: [base('1', 'a', 'B')] }, [], ['["1"]']],
  ];
  for (const [name, found, items, forgotten = []] of cases) {
    it(name, () => {
      assert.deepEqual(paired(found), { items: items.toSorted(), forgotten });
    });
  }
});

describe('after a changed mapping', () => {
  const moved = { fingerprint: 'source.elsewhere' };

  it('items stay attached by primary key, so that a changed path moves the file', () => {
    const old = base('1', 'old', 'B', moved);
    assert.deepEqual(paired({ base: [old], files: [file('old', 'B')], rows: [row('1', 'a', 'B')] }).items, [
      '["1"]old=B / old=B / ["1"]a=B',
    ]);
  });

  it('a missing file or row is no deletion: the base is forgotten', () => {
    assert.deepEqual(paired({ base: [base('1', 'a', 'B', moved)], rows: [row('1', 'a', 'B')] }), {
      items: ['- / - / ["1"]a=B'],
      forgotten: ['["1"]'],
    });
    assert.deepEqual(paired({ base: [base('1', 'a', 'B', moved)], files: [file('a', 'B')] }), {
      items: ['- / a=B / -'],
      forgotten: ['["1"]'],
    });
  });

  it('another table or column means another text: nothing is attached', () => {
    const other = base('1', 'a', 'B', { fingerprint: 'elsewhere.paths' });
    assert.deepEqual(paired({ base: [other], files: [file('a', 'B')], rows: [row('1', 'a', 'R')] }), {
      items: ['- / a=B / ["1"]a=R'],
      forgotten: ['["1"]'],
    });
  });
});
