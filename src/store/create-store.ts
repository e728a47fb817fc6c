import { SyncError } from '../core/errors.ts';
import type { Column } from '../core/table.ts';
import type { Driver, Link } from './link.ts';
import { createPool } from './pool.ts';
import { createSession } from './session.ts';
import { createSql, raw, type Sql } from './sql.ts';
import { RetryError, type Session, type Store } from './store.ts';
import { addTree, targetId, treeTxid } from './tree-table.ts';

/**
 * A store over a driver: connections, transactions and the table of trees, the same for every kind of database.
 *
 * @param first a connection that is open already
 */
export function createStore(driver: Driver, first: Link): Store {
  const { speech } = driver;
  const pool = createPool(driver.open, first);

  const withSql = <T>(work: (sql: Sql, link: Link) => Promise<T>): Promise<T> =>
    pool.use((link) => work(createSql({ ...executor(link), begin: refuseBegin }), link));

  /** A connection stays with its server. */
  const servers = new WeakMap<Link, string>();
  const serverOf = async (sql: Sql, link: Link): Promise<string> => {
    const server = servers.get(link) ?? (await driver.server(sql));
    servers.set(link, server);
    return server;
  };

  const executor = (link: Link) => ({
    quote: speech.quote,
    execute: link.execute,
  });

  const session = (sql: Sql, writes: boolean): Session => {
    const columns = new Map<string, Promise<Column[]>>();
    return createSession({
      sql,
      dialect: speech,
      writes,
      server: () => driver.server(sql),
      columns(table) {
        const known = columns.get(table) ?? driver.columns(sql, table);
        columns.set(table, known);
        return known;
      },
    });
  };

  const read = <T>(work: (session: Session) => Promise<T>): Promise<T> =>
    pool.use(async (link) => {
      const sql = createSql({ ...executor(link), begin: refuseBegin });
      try {
        for (const command of driver.snapshot) await link.command(command);
        const result = await work(session(sql, false));
        for (const command of driver.endSnapshot) await link.command(command);
        return result;
      } catch (error) {
        // A new connection costs less than finding out what state this one is in.
        await link.close();
        throw error;
      }
    });

  const begin = <T>(work: (session: Session) => Promise<T>): Promise<T> =>
    pool.use(async (link) => {
      const guarded = guard(link);
      const sql = createSql({ ...executor(guarded.link), begin: savepoints(guarded.link, executor, 1) });
      let result: T;
      try {
        await link.command(driver.begin);
        result = await work(session(sql, true));
        guarded.check();
      } catch (error) {
        await rollback(link);
        throw error;
      }
      try {
        await link.commit();
      } catch (error) {
        await link.close();
        throw error;
      }
      return result;
    });

  return {
    dialect: driver.dialect,
    version: driver.version,
    maxStatement: driver.maxStatement,
    identity: (tree) =>
      withSql(async (sql, link) => ({
        id: await targetId(sql),
        txid: tree === undefined ? null : await treeTxid(sql, raw(''), tree),
        server: await serverOf(sql, link),
      })),
    prepare: (tree) =>
      pool.use(async (link) => {
        const sql = createSql({ ...executor(link), begin: refuseBegin });
        if ((await targetId(sql)) === null) await driver.createTreeTable(link);
        await addTree(sql, tree);
        return { id: await targetId(sql), server: await driver.server(sql) };
      }),
    tables: () => withSql(driver.tables),
    describe: (table) => withSql((sql) => driver.describe(sql, table)),
    read,
    begin,
    unfit: (table, name, texts) =>
      withSql(async (sql) => {
        const column = table.columns.find((candidate) => candidate.name === name);
        if (!column) throw new SyncError('CONFIG', `The table "${table.name}" has no column "${name}"`);
        const results = [];
        for (const text of texts) results.push(await driver.unfit(sql, column, text));
        return results;
      }),
    diagnose: (tables) => withSql((sql) => driver.diagnose(sql, tables)),
    close: () => pool.close(),
  };
}

function refuseBegin(): Promise<never> {
  return Promise.reject(new SyncError('INTERNAL', 'Cannot start a transaction here'));
}

/**
 * Notices when the database has given up the transaction (a deadlock, a trigger's RAISE(ROLLBACK)), so that
 * nothing is executed or committed outside of it, even by a caller that goes on after the error.
 */
function guard(link: Link): { link: Link; check(): void } {
  let lost: Error | null = null;
  const check = (): void => {
    if (lost) throw lost;
  };
  const watch = async <T>(run: () => Promise<T>): Promise<T> => {
    check();
    try {
      return await run();
    } catch (error) {
      if (error instanceof RetryError) lost = error;
      else if (!(await link.inTransaction())) {
        lost =
          error instanceof SyncError ? error : new SyncError('DATABASE', 'The database took the whole transaction back', { cause: error });
      }
      check();
      throw error;
    }
  };
  return {
    check,
    link: {
      ...link,
      execute: (text, values) => watch(() => link.execute(text, values)),
      command: (text) => watch(() => link.command(text)),
    },
  };
}

type Executing = (link: Link) => Pick<Parameters<typeof createSql>[0], 'quote' | 'execute'>;

/** `sql.begin` inside a transaction is a savepoint. */
function savepoints(link: Link, executor: Executing, depth: number): Sql['begin'] {
  return async (work) => {
    const name = `sync_run_${depth}`;
    await link.command(`SAVEPOINT ${name}`);
    try {
      const result = await work(createSql({ ...executor(link), begin: savepoints(link, executor, depth + 1) }));
      await link.command(`RELEASE SAVEPOINT ${name}`);
      return result;
    } catch (error) {
      await link.command(`ROLLBACK TO SAVEPOINT ${name}`);
      throw error;
    }
  };
}

/** Takes the transaction back, if need be by ending the connection. */
async function rollback(link: Link): Promise<void> {
  try {
    await link.command('ROLLBACK');
  } catch {
    // The transaction ends with the connection; the error that led here is the one to report.
    await link.close();
  }
}
