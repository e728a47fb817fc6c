import type { Column } from '../../core/table.ts';

/** How the cells of a column travel. */
export type Kind = 'text' | 'binary' | 'integer' | 'float' | 'bit' | 'geometry' | 'other';

const KINDS: Record<string, Kind> = {
  char: 'text',
  varchar: 'text',
  tinytext: 'text',
  text: 'text',
  mediumtext: 'text',
  longtext: 'text',
  enum: 'text',
  set: 'text',
  binary: 'binary',
  varbinary: 'binary',
  tinyblob: 'binary',
  blob: 'binary',
  mediumblob: 'binary',
  longblob: 'binary',
  tinyint: 'integer',
  smallint: 'integer',
  mediumint: 'integer',
  int: 'integer',
  integer: 'integer',
  bigint: 'integer',
  float: 'float',
  double: 'float',
  bit: 'bit',
  geometry: 'geometry',
  point: 'geometry',
  linestring: 'geometry',
  polygon: 'geometry',
  multipoint: 'geometry',
  multilinestring: 'geometry',
  multipolygon: 'geometry',
  geometrycollection: 'geometry',
  geomcollection: 'geometry',
};

/** Whether it is the name of a character set, to stand in a statement. */
export const isCharset = (name: string): boolean => /^[a-z0-9_]+$/.test(name);

/** The declared type without length and attributes. */
export function baseType(type: string): string {
  return /^[a-z0-9]*/.exec(type)?.[0] ?? '';
}

export function kindOf(column: Column): Kind {
  return KINDS[baseType(column.type)] ?? 'other';
}
