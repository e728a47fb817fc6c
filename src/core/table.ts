import type { Literal } from './model.ts';

/** One column as the database describes it. */
export interface Column {
  name: string;
  /** The declared type in lower case, e.g. `varchar(120)`. */
  type: string;
  nullable: boolean;
  hasDefault: boolean;
  generated: boolean;
  autoIncrement: boolean;
  /** Whether it can hold a text: character types, and binary ones (`'binary'`, kept as raw bytes). */
  text: 'text' | 'binary' | null;
  /** In bytes, in characters; null where there is no limit. */
  maxBytes: number | null;
  maxChars: number | null;
  /** E.g. `utf8mb3`; null for SQLite and binary columns. */
  charset: string | null;
}

export interface Table {
  name: string;
  columns: Column[];
  primaryKey: string[];
  /** Column lists of unique indexes, the primary key included. */
  uniques: string[][];
  /** E.g. `InnoDB`; null for SQLite. */
  engine: string | null;
  transactional: boolean;
  /** Foreign keys of other tables that point here, where a deletion or a new name here would take their rows along. */
  pointing: PointingKey[];
  triggers: string[];
}

/** A foreign key of another table. */
export interface PointingKey {
  /** Where it is another database of the server. */
  schema?: string;
  table: string;
  columns: string[];
  references: string[];
  /**
   * What here would delete or change rows there: MySQL by CASCADE (deletions), SET NULL or SET DEFAULT. SQLite by any action: whether it
   * enforces them is decided by each connection, so that the rows would be left pointing at nothing.
   */
  harmedBy: Harm[];
}

export type Harm = 'delete' | 'rename';

/** The part of a table a mapping looks at. */
export interface RowShape {
  table: string;
  primaryKey: string[];
  keyColumns: string[];
  content: string;
  where: Record<string, Literal>;
}
