import { nearest } from '../core/nearest.ts';
import type { Table } from '../core/table.ts';

/** Names what there is instead, since the mistake is mostly a letter or a prefix. */
export function unknownTable(name: string, names: readonly string[]): string {
  const listed = names.slice(0, 40).join(', ') + (names.length > 40 ? ` and ${names.length - 40} more` : '');
  return `There is no table "${name}"${suggestion(name, names)} The database has: ${listed || 'no tables'}`;
}

export function unknownColumn(name: string, table: Table): string {
  const names = table.columns.map((column) => column.name);
  return `The table "${table.name}" has no column "${name}"${suggestion(name, names)} It has: ${names.join(', ')}`;
}

function suggestion(name: string, names: readonly string[]): string {
  const meant = nearest(name, names);
  return meant === null ? '.' : `; did you mean "${meant}"?`;
}
