import type { Store } from './store.ts';
import { parseUrl } from './url.ts';

/**
 * Opens the database a URL names: `mysql:`, `mariadb:` or `sqlite:`.
 *
 * @param baseDir folder a relative `sqlite:` path starts from
 * @param signal ends connections, and with them what runs on them, except a COMMIT that is under way
 * @throws {SyncError} `CONFIG`, `UNREACHABLE`, `LOGIN` or `DATABASE`; never with the password in it
 */
export async function openStore(url: string, baseDir: string, signal?: AbortSignal): Promise<Store> {
  const target = parseUrl(url, baseDir);
  signal?.throwIfAborted();
  // Only the driver that is needed is loaded: mysql2 takes longer than all the rest.
  if (target.kind === 'sqlite') return (await import('./sqlite.ts')).openSqliteStore(target.path);
  return (await import('./mysql.ts')).openMysqlStore(target, signal);
}
