import { SyncError } from '../../core/errors.ts';
import type { Table } from '../../core/table.ts';
import { DeniedError, NoTableError, type Diagnosis } from '../link.ts';
import { part, type Fragment, type Sql } from '../sql.ts';
import { RefusedError } from '../store.ts';
import { TREE_TABLE } from '../tree-table.ts';

/** A page of MyBB's default theme fits many times; a text larger than this could not be written. */
const SMALL_PACKET = 4 * 1024 * 1024;

export async function diagnose(sql: Sql, tables: readonly Table[], createTree: string): Promise<Diagnosis[]> {
  const lines = [...(await settings(sql)), ...(await treeTable(sql, createTree))];
  for (const table of tables) lines.push(...(await tableLines(sql, table)));
  return lines;
}

async function settings(sql: Sql): Promise<Diagnosis[]> {
  const [row] =
    await sql`SELECT @@global.innodb_flush_log_at_trx_commit AS flush, @@global.sql_mode AS mode, @@max_allowed_packet AS packet,
    @@global.read_only AS readOnly, DATABASE() AS name`;
  const flush = String(row?.['flush']);
  const packet = Number(row?.['packet']);
  const readOnly = Number(row?.['readOnly']) === 1;
  const strict = /STRICT_(?:TRANS|ALL)_TABLES/.test(String(row?.['mode']));
  return [
    {
      ok: flush === '1',
      message: `innodb_flush_log_at_trx_commit is ${flush}`,
      ...(flush !== '1' && { remedy: 'Set it to 1: otherwise a crash of the server can take back what it has confirmed' }),
    },
    {
      ok: true,
      message: strict
        ? 'The server is strict about values that do not fit'
        : "The server is not strict by default; sync-run's own connections are",
    },
    {
      ok: packet >= SMALL_PACKET,
      message: `max_allowed_packet is ${packet} bytes`,
      ...(packet < SMALL_PACKET && { remedy: 'Set it to 16M or more: a text needs to fit into one packet' }),
    },
    {
      ok: !readOnly,
      message: `The server is ${readOnly ? 'read-only' : 'writable'}`,
      ...(readOnly && { remedy: 'Connect to the primary server' }),
    },
  ];
}

async function treeTable(sql: Sql, createTree: string): Promise<Diagnosis[]> {
  const table = sql.id(TREE_TABLE);
  const found = await allowed(sql, part`SELECT 1 FROM ${table} WHERE 1 = 0`);
  if (found === 'denied') {
    const remedy = `Run as an administrator: ${createTree} GRANT SELECT, INSERT, UPDATE ON ${table.text} TO the user`;
    return [
      { ok: false, message: `The user may not read the table "${TREE_TABLE}", or it is missing and the user may not create it`, remedy },
    ];
  }
  if (found === 'missing') {
    const ok = await mayCreate(sql);
    return [
      {
        ok,
        message: `The user may ${ok ? '' : 'not '}create the table "${TREE_TABLE}"`,
        ...(!ok && { remedy: `Grant CREATE, or run: ${createTree}` }),
      },
    ];
  }
  return rights(sql, TREE_TABLE, 'txid', ['SELECT', 'INSERT', 'UPDATE']);
}

/** Fails in either case, since what it copies is no table; but first for the missing right. */
async function mayCreate(sql: Sql): Promise<boolean> {
  try {
    await sql`CREATE TABLE ${sql.id(TREE_TABLE)} LIKE ${sql.id('information_schema', 'sync_run_none')}`;
  } catch (error) {
    if (error instanceof DeniedError) return false;
    if (!(error instanceof SyncError) || error.code !== 'DATABASE') throw error;
  }
  return true;
}

async function tableLines(sql: Sql, table: Table): Promise<Diagnosis[]> {
  const { name, engine, transactional, triggers, columns } = table;
  const column = columns.find(({ generated }) => !generated)?.name;
  const lines = column === undefined ? [] : await rights(sql, name, column, ['SELECT', 'INSERT', 'UPDATE', 'DELETE']);
  if (!transactional) {
    const target = sql.id(name).text;
    lines.push({
      ok: false,
      advice: true,
      message: `The table "${name}" has no transactions (${engine ?? 'unknown engine'}): a batch that was cut off is repaired by the next run, not taken back`,
      remedy: `Run: ALTER TABLE ${target} ENGINE=InnoDB;`,
    });
  }
  if (triggers.length > 0) {
    lines.push({ ok: true, message: `The table "${name}" has triggers (${triggers.join(', ')}); a text they change is refused` });
  }
  return lines;
}

/** Tried on no row, since GRANTs with roles and patterns cannot be read with certainty. */
async function rights(sql: Sql, name: string, column: string, wanted: readonly string[]): Promise<Diagnosis[]> {
  const table = sql.id(name);
  const cell = sql.id(column);
  const probes: Record<string, Fragment> = {
    SELECT: part`SELECT ${cell} FROM ${table} WHERE 1 = 0`,
    INSERT: part`INSERT INTO ${table} (${cell}) SELECT ${cell} FROM ${table} WHERE 1 = 0`,
    UPDATE: part`UPDATE ${table} SET ${cell} = ${cell} WHERE 1 = 0`,
    DELETE: part`DELETE FROM ${table} WHERE 1 = 0`,
  };
  const missing = [];
  for (const right of wanted) {
    const probe = probes[right];
    if (probe && (await allowed(sql, probe)) === 'denied') missing.push(right);
  }
  const ok = missing.length === 0;
  return [
    {
      ok,
      message: ok ? `The user has all rights on "${name}"` : `The user lacks ${missing.join(', ')} on "${name}"`,
      ...(!ok && { remedy: `Run as an administrator: GRANT ${missing.join(', ')} ON ${table.text} TO the user` }),
    },
  ];
}

async function allowed(sql: Sql, probe: Fragment): Promise<'yes' | 'denied' | 'missing'> {
  try {
    await sql`${probe}`;
    return 'yes';
  } catch (error) {
    if (error instanceof NoTableError) return 'missing';
    if (error instanceof DeniedError) return 'denied';
    if (error instanceof RefusedError) return 'yes';
    throw error;
  }
}
