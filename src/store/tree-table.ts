import { randomBytes } from 'node:crypto';
import { SyncError } from '../core/errors.ts';
import { DeniedError, NoTableError } from './link.ts';
import { join, raw, type Fragment, type Sql } from './sql.ts';
import { RefusedError } from './store.ts';

/** The one table the tool keeps in the database: a row per working tree, and one with the empty name that identifies the target. */
export const TREE_TABLE = 'sync_run_tree';

const TARGET = '';
/** What a tree's row says before its first batch. */
const NO_BATCH_YET = 'init';

/** Null also where the user may not even look: without rights on a table that is missing, servers say no more than that. */
export async function targetId(sql: Sql): Promise<string | null> {
  try {
    return await txidOf(sql, raw(''), TARGET);
  } catch (error) {
    if (error instanceof DeniedError) return null;
    throw error;
  }
}

export async function treeTxid(sql: Sql, lock: Fragment, tree: string): Promise<string | null> {
  return txidOf(sql, lock, tree);
}

export async function setTreeTxid(sql: Sql, tree: string, txid: string): Promise<void> {
  const { affected } = await sql`UPDATE ${sql.id(TREE_TABLE)} SET ${sql.id('txid')} = ${txid},
    ${sql.id('updated_at')} = CURRENT_TIMESTAMP WHERE ${sql.id('tree')} = ${tree}`;
  if (affected === 0) await addRow(sql, tree, txid);
}

export async function lockTarget(sql: Sql, lock: Fragment, server: string): Promise<void> {
  if ((await txidOf(sql, lock, TARGET)) !== null) return;
  throw new SyncError('WRONG_TARGET', `The table "${TREE_TABLE}" is missing or has lost the row that identifies the target (${server})`, {
    hint: 'Run "sync-run init --new-target" if this is the right database',
  });
}

/** Adds the row of the target and of the tree where they are missing. Two of these at once agree on one id. */
export async function addTree(sql: Sql, tree: string): Promise<void> {
  for (const [name, txid] of [
    [TARGET, randomBytes(16).toString('hex')],
    [tree, NO_BATCH_YET],
  ] as const) {
    if ((await txidOf(sql, raw(''), name)) !== null) continue;
    try {
      await addRow(sql, name, txid);
    } catch (error) {
      // Another init was faster; what it wrote stands.
      if (!(error instanceof RefusedError) || (await txidOf(sql, raw(''), name)) === null) throw error;
    }
  }
}

async function txidOf(sql: Sql, lock: Fragment, tree: string): Promise<string | null> {
  try {
    const [row] = await sql`SELECT ${sql.id('txid')} AS txid FROM ${sql.id(TREE_TABLE)} WHERE ${sql.id('tree')} = ${tree}${lock}`;
    return row ? String(row['txid']) : null;
  } catch (error) {
    if (error instanceof NoTableError) return null;
    throw error;
  }
}

async function addRow(sql: Sql, tree: string, txid: string): Promise<void> {
  const names = join(['tree', 'txid', 'updated_at'].map((name) => sql.id(name)));
  await sql`INSERT INTO ${sql.id(TREE_TABLE)} (${names}) VALUES (${tree}, ${txid}, CURRENT_TIMESTAMP)`;
}
