import { SyncError } from '../../core/errors.ts';
import { readUrl } from '../../state/secrets.ts';
import { askSecret } from '../ask.ts';
import type { Terminal } from '../terminal.ts';

/**
 * The database URL: from the flag, standard input, the environment, what is stored, or an answer. Never print it.
 *
 * @throws {SyncError} `NO_TARGET` if nobody gave one
 */
export async function chooseUrl(flag: string | undefined, statePath: string, terminal: Terminal, asking: boolean): Promise<string> {
  if (flag === '-') {
    const url = (await terminal.readInput()).trim();
    if (url === '')
      throw new SyncError('NO_TARGET', 'Standard input held no database URL', { hint: 'echo "$DATABASE_URL" | npx sync-run init --url -' });
    return url;
  }
  const given = flag ?? (terminal.env.SYNC_RUN_DATABASE_URL || (await readUrl(statePath)));
  if (given) return given.trim();
  if (asking) {
    return askSecret(terminal, 'Database URL, which is not shown: mysql://user:password@host:port/name, or sqlite:path');
  }
  throw new SyncError('NO_TARGET', 'No database URL was given', {
    hint: 'Set SYNC_RUN_DATABASE_URL, or pass it by standard input: echo "$DATABASE_URL" | npx sync-run init --url -',
  });
}
