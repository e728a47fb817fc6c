import type { Column, PointingKey, Table } from '../../core/table.ts';
import type { Sql } from '../sql.ts';
import { TREE_TABLE } from '../tree-table.ts';
import { affinity } from './affinity.ts';

export async function listTables(sql: Sql): Promise<string[]> {
  const rows = await sql`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    AND name <> ${TREE_TABLE} ORDER BY name`;
  return rows.map(({ name }) => String(name));
}

export async function listColumns(sql: Sql, table: string): Promise<Column[]> {
  const name = await nameOf(sql, table);
  if (name === null) return [];
  const [list] = await sql`SELECT strict FROM pragma_table_list WHERE schema = 'main' AND name = ${name}`;
  const rows = await sql`SELECT name, type, "notnull" AS required, dflt_value AS value, pk, hidden FROM pragma_table_xinfo(${name})`;
  const keys = rows.filter(({ pk }) => Number(pk) > 0);
  // https://www.sqlite.org/lang_createtable.html#rowid: a single key declared as exactly INTEGER is the rowid.
  const [rowid] = keys.length === 1 && !(await isWithoutRowid(sql, name)) ? keys : [];
  return rows
    .filter(({ hidden }) => Number(hidden) !== 1)
    .map((row): Column => {
      const declared = String(row['type']);
      // In a STRICT table ANY keeps values as they are, as a column without a type does elsewhere.
      const type = Number(list?.['strict']) === 1 && declared.toUpperCase() === 'ANY' ? '' : declared.toLowerCase();
      const isRowid = row === rowid && type === 'integer';
      return {
        name: String(row['name']),
        type,
        nullable: Number(row['required']) === 0 && !isRowid,
        hasDefault: row['value'] !== null,
        generated: Number(row['hidden']) > 1,
        autoIncrement: isRowid,
        text: textOf(type),
        maxBytes: null,
        maxChars: null,
        charset: null,
      };
    });
}

/** Null where there is no such table; a view is none. */
export async function describeTable(sql: Sql, table: string): Promise<Table | null> {
  const name = await nameOf(sql, table);
  if (name === null) return null;
  const columns = await listColumns(sql, name);
  const keys = await sql`SELECT name FROM pragma_table_xinfo(${name}) WHERE pk > 0 ORDER BY pk`;
  const primaryKey = keys.map((row) => String(row['name']));
  const triggers = await sql`SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ${name} COLLATE NOCASE ORDER BY name`;
  return {
    name,
    columns,
    primaryKey,
    uniques: await uniquesOf(sql, name, primaryKey),
    engine: null,
    transactional: true,
    pointing: await keysTo(sql, name, primaryKey),
    triggers: triggers.map((row) => String(row['name'])),
  };
}

/** Table names are matched without case by SQLite; only the spelling of the schema is a table here. */
async function nameOf(sql: Sql, table: string): Promise<string | null> {
  const [row] = await sql`SELECT name FROM sqlite_schema WHERE type = 'table' AND name = ${table} COLLATE BINARY`;
  return row ? String(row['name']) : null;
}

async function isWithoutRowid(sql: Sql, table: string): Promise<boolean> {
  const [row] = await sql`SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ${table}`;
  return Number(row?.['wr']) === 1;
}

async function uniquesOf(sql: Sql, table: string, primaryKey: string[]): Promise<string[][]> {
  const rows = await sql`SELECT l.name AS index_name, i.name AS column_name
    FROM pragma_index_list(${table}) AS l JOIN pragma_index_info(l.name) AS i
    WHERE l."unique" = 1 AND l.partial = 0 ORDER BY l.seq, i.seqno`;
  const lists = new Map<string, (string | null)[]>([['', primaryKey]]);
  for (const row of rows) {
    const index = String(row['index_name']);
    const column = row['column_name'] ?? null;
    lists.set(index, [...(lists.get(index) ?? []), column === null ? null : String(column)]);
  }
  const named = [...lists.values()].filter((list): list is string[] => list.length > 0 && !list.includes(null));
  return [...new Map(named.map((list) => [JSON.stringify(list), list])).values()];
}

async function keysTo(sql: Sql, table: string, primaryKey: string[]): Promise<PointingKey[]> {
  const rows = await sql`SELECT t.name AS child, f.id AS id, f."from" AS source, f."to" AS target
    FROM sqlite_schema AS t JOIN pragma_foreign_key_list(t.name) AS f
    WHERE t.type = 'table' AND f."table" = ${table} COLLATE NOCASE ORDER BY t.name, f.id, f.seq`;
  const keys = new Map<string, PointingKey>();
  for (const row of rows) {
    const id = JSON.stringify([row['child'], row['id']]);
    const key = keys.get(id) ?? { table: String(row['child']), columns: [], references: [], harmedBy: ['delete', 'rename'] };
    key.columns.push(String(row['source']));
    // Without named columns a foreign key means the primary key.
    key.references.push(String(row['target'] ?? primaryKey[key.references.length]));
    keys.set(id, key);
  }
  return [...keys.values()];
}

function textOf(type: string): Column['text'] {
  if (type === '') return 'text';
  const kind = affinity(type);
  return kind === 'TEXT' ? 'text' : kind === 'BLOB' ? 'binary' : null;
}
