import type { PrimaryKey } from '../core/model.ts';
import type { Column } from '../core/table.ts';
import { chunksOf, MAX_LIST, padded } from './chunks.ts';
import type { Dialect, KeyPart } from './link.ts';
import { join, part, type Fragment, type Row, type Value } from './sql.ts';

/** A select list whose cells are found again by position, whatever the columns are called. */
export interface Selection {
  list: Fragment;
  /** The cells of each of the groups, in order. */
  read(row: Row): Value[][];
}

export function select(groups: readonly (readonly Fragment[])[]): Selection {
  const cells = groups.flat();
  return {
    list: join(cells.map((cell, index) => alias(cell, `c${index}`))),
    read(row) {
      let next = 0;
      return groups.map((group) => group.map(() => row[`c${next++}`] ?? null));
    },
  };
}

function alias(cell: Fragment, name: string): Fragment {
  return join([cell, { text: `AS ${name}`, values: [] }], ' ');
}

export function keyOf(dialect: Dialect, columns: readonly Column[], cells: readonly Value[][]): PrimaryKey {
  return JSON.stringify(columns.map((column, index) => dialect.toKeyPart(column, cells[index] ?? [])));
}

export function partsOf(pk: PrimaryKey): KeyPart[] {
  return JSON.parse(pk) as KeyPart[];
}

/** True exactly for the row with this primary key. */
export function hasKey(dialect: Dialect, columns: readonly Column[], pk: PrimaryKey): Fragment {
  const parts = partsOf(pk);
  return join(
    columns.map((column, index) => dialect.equals(column, parts[index] ?? null)),
    ' AND ',
  );
}

/**
 * Conditions that together are true for every row with one of these keys.
 * A collation may let in others: compare the keys of what comes back.
 */
export function* amongKeys(dialect: Dialect, columns: readonly Column[], pks: readonly PrimaryKey[]): Generator<Fragment> {
  const [only, ...others] = columns;
  // Lists of pairs are not looked up by index everywhere; alternatives are, in moderate numbers.
  const single = only && others.length === 0;
  for (const chunk of chunksOf(pks, single ? MAX_LIST : 100)) {
    const keys = padded(chunk);
    const list = single
      ? dialect.among(
          only,
          keys.map((pk) => partsOf(pk)[0] ?? null),
        )
      : null;
    yield (
      list ??
        join(
          keys.map((pk) => part`(${hasKey(dialect, columns, pk)})`),
          ' OR ',
        )
    );
  }
}
