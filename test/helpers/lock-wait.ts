/**
 * Resolves once a transaction waits for a lock on a table of this database. The status is asked for since it is of the moment; the tables of
 * `information_schema` are copies that InnoDB renews only when nobody has read them for 100 ms, so whoever keeps asking never sees the wait.
 *
 * @param query a connection with the PROCESS privilege
 */
export async function lockWait(database: string, query: (text: string) => Promise<readonly Record<string, unknown>[]>): Promise<void> {
  for (;;) {
    const [row] = await query('SHOW ENGINE INNODB STATUS');
    const [, transactions = ''] = String(row?.Status).split('LIST OF TRANSACTIONS FOR EACH SESSION:');
    if (transactions.split('\n').some((line) => line.includes(`of table \`${database}\`.`) && line.endsWith(' waiting'))) return;
  }
}
