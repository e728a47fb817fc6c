import { SyncError } from '../core/errors.ts';
import { createStore } from './create-store.ts';
import type { Driver, Link } from './link.ts';
import { connect } from './mysql/connect.ts';
import { describeTable, listColumns, listTables } from './mysql/describe.ts';
import { diagnose } from './mysql/diagnose.ts';
import { mysqlDialect } from './mysql/dialect.ts';
import { unfit } from './mysql/unfit.ts';
import type { Sql } from './sql.ts';
import type { Store } from './store.ts';
import { TREE_TABLE } from './tree-table.ts';
import type { MysqlTarget } from './url.ts';

const CREATE_TREE_TABLE = `CREATE TABLE IF NOT EXISTS ${TREE_TABLE} (tree VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY, \
txid VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, updated_at DATETIME NOT NULL) ENGINE=InnoDB`;

/**
 * Connects to a MySQL or MariaDB server as a store.
 *
 * @throws {SyncError} `UNREACHABLE`, `LOGIN` or `DATABASE`
 */
export async function openMysqlStore(target: MysqlTarget, signal?: AbortSignal): Promise<Store> {
  const { maxAllowedPacket, version, ...first } = await connect(target, signal);
  const driver: Driver = {
    dialect: 'mysql',
    version,
    maxStatement: maxAllowedPacket,
    speech: mysqlDialect,
    open: () => connect(target, signal),
    snapshot: ['START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY'],
    endSnapshot: ['COMMIT'],
    begin: 'START TRANSACTION',
    createTreeTable,
    server,
    tables: listTables,
    columns: listColumns,
    describe: describeTable,
    unfit: (sql, column, text) => unfit(sql, column, text, maxAllowedPacket),
    diagnose: (sql, tables) => diagnose(sql, tables, `${CREATE_TREE_TABLE};`),
  };
  return createStore(driver, first);
}

async function createTreeTable(link: Link): Promise<void> {
  try {
    await link.command(CREATE_TREE_TABLE);
  } catch (cause) {
    throw new SyncError('DATABASE', `The table "${TREE_TABLE}" cannot be created`, {
      hint: `Have someone with the CREATE right run: ${CREATE_TREE_TABLE};`,
      details: cause instanceof Error ? [cause.message] : [],
      cause,
    });
  }
}

/** MySQL servers have an id of their own; MariaDB servers are told apart by host, port and data folder. */
async function server(sql: Sql): Promise<string> {
  const [row] = await sql`SELECT DATABASE() AS name, @@hostname AS host, @@port AS port, @@datadir AS folder`;
  const [uuid] = await sql`SHOW VARIABLES LIKE 'server_uuid'`;
  const id = uuid?.['Value'] ?? row?.['folder'];
  return `database "${String(row?.['name'])}" on ${String(row?.['host'])}:${String(row?.['port'])} (${String(id)})`;
}
