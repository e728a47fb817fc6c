import type { Column, PointingKey, Table } from '../../core/table.ts';
import type { Row, Sql, Value } from '../sql.ts';
import { TREE_TABLE } from '../tree-table.ts';
import { baseType } from './kinds.ts';

const TRANSACTIONAL = new Set(['innodb', 'ndbcluster', 'ndb', 'rocksdb', 'tokudb']);
const CHARACTERS = new Set(['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext']);
const BYTES = new Set(['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob']);

export async function listTables(sql: Sql): Promise<string[]> {
  const rows = await sql`SELECT TABLE_NAME AS name FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME`;
  return rows.map(({ name }) => text(name)).filter((name) => name !== TREE_TABLE);
}

export async function listColumns(sql: Sql, table: string): Promise<Column[]> {
  const rows =
    await sql`SELECT TABLE_NAME AS owner, COLUMN_NAME AS name, COLUMN_TYPE AS type, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS value,
      EXTRA AS extra, CHARACTER_SET_NAME AS charset, CAST(CHARACTER_MAXIMUM_LENGTH AS CHAR) AS chars, CAST(CHARACTER_OCTET_LENGTH AS CHAR) AS octets
    FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ${table} ORDER BY ORDINAL_POSITION`;
  // The comparison may ignore case; table names do not.
  return rows.filter(({ owner }) => text(owner) === table).map(toColumn);
}

function toColumn(row: Row): Column {
  const type = text(row['type']).toLowerCase();
  const base = baseType(type);
  const extra = text(row['extra']).toLowerCase();
  const nullable = text(row['nullable']) === 'YES';
  const kind = CHARACTERS.has(base) ? 'text' : BYTES.has(base) ? 'binary' : null;
  return {
    name: text(row['name']),
    type,
    nullable,
    // MariaDB writes the default NULL as the word, MySQL as NULL.
    hasDefault: nullable || row['value'] !== null,
    generated: /\b(?:virtual|stored|persistent) generated\b/.test(extra),
    autoIncrement: extra.includes('auto_increment'),
    text: kind,
    maxBytes: kind && row['octets'] !== null ? Number(row['octets']) : null,
    maxChars: base === 'char' || base === 'varchar' ? Number(row['chars']) : null,
    charset: kind === 'text' && row['charset'] !== null ? text(row['charset']) : null,
  };
}

/** Null where there is no such table; a view is none. */
export async function describeTable(sql: Sql, table: string): Promise<Table | null> {
  const found = await sql`SELECT TABLE_NAME AS name, ENGINE AS engine FROM information_schema.TABLES
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ${table} AND TABLE_TYPE = 'BASE TABLE'`;
  const row = found.find(({ name }) => text(name) === table);
  if (!row) return null;
  const engine = row['engine'] === null ? null : text(row['engine']);
  const indexes = await uniqueIndexes(sql, table);
  return {
    name: table,
    columns: await listColumns(sql, table),
    primaryKey: indexes.get('PRIMARY') ?? [],
    uniques: [...indexes.values()],
    engine,
    transactional: TRANSACTIONAL.has((engine ?? '').toLowerCase()),
    pointing: await keysTo(sql, table),
    triggers: await triggersOf(sql, table),
  };
}

async function uniqueIndexes(sql: Sql, table: string): Promise<Map<string, string[]>> {
  const rows =
    await sql`SELECT TABLE_NAME AS owner, INDEX_NAME AS name, COLUMN_NAME AS member, SUB_PART AS prefix FROM information_schema.STATISTICS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ${table} AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX`;
  const indexes = new Map<string, string[]>();
  const partial = new Set<string>();
  for (const row of rows) {
    if (text(row['owner']) !== table) continue;
    const name = text(row['name']);
    // A prefix or an expression is not the column.
    if (row['member'] === null || row['prefix'] !== null) partial.add(name);
    indexes.set(name, [...(indexes.get(name) ?? []), text(row['member'])]);
  }
  for (const name of partial) if (name !== 'PRIMARY') indexes.delete(name);
  return indexes;
}

/** MySQL itself carries a new name along with ON UPDATE CASCADE, and refuses with RESTRICT. */
const HARMS = { delete: ['CASCADE', 'SET NULL', 'SET DEFAULT'], rename: ['SET NULL', 'SET DEFAULT'] };

async function keysTo(sql: Sql, table: string): Promise<PointingKey[]> {
  const rows = await sql`SELECT k.REFERENCED_TABLE_NAME AS parent, k.CONSTRAINT_NAME AS name, k.TABLE_SCHEMA AS db, DATABASE() AS ours,
      k.TABLE_NAME AS child, k.COLUMN_NAME AS source, k.REFERENCED_COLUMN_NAME AS target, r.DELETE_RULE AS deletion, r.UPDATE_RULE AS renaming
    FROM information_schema.KEY_COLUMN_USAGE AS k JOIN information_schema.REFERENTIAL_CONSTRAINTS AS r
      ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME
    WHERE k.REFERENCED_TABLE_SCHEMA = DATABASE() AND k.REFERENCED_TABLE_NAME = ${table}
    ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION`;
  const keys = new Map<string, PointingKey>();
  for (const row of rows) {
    if (text(row['parent']) !== table) continue;
    const id = JSON.stringify([text(row['db']), text(row['child']), text(row['name'])]);
    const key = keys.get(id) ?? {
      ...(text(row['db']) !== text(row['ours']) && { schema: text(row['db']) }),
      table: text(row['child']),
      columns: [],
      references: [],
      harmedBy: [
        ...(HARMS.delete.includes(text(row['deletion'])) ? (['delete'] as const) : []),
        ...(HARMS.rename.includes(text(row['renaming'])) ? (['rename'] as const) : []),
      ],
    };
    key.columns.push(text(row['source']));
    key.references.push(text(row['target']));
    keys.set(id, key);
  }
  return [...keys.values()].filter(({ harmedBy }) => harmedBy.length > 0);
}

async function triggersOf(sql: Sql, table: string): Promise<string[]> {
  const rows = await sql`SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS owner FROM information_schema.TRIGGERS
    WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = ${table} ORDER BY TRIGGER_NAME`;
  return rows.filter(({ owner }) => text(owner) === table).map(({ name }) => text(name));
}

/** Some servers send the columns of the dictionary as bytes. */
function text(value: Value | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value);
}
