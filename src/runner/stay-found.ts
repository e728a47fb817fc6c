import { basename, dirname } from 'node:path';
import { isMissing } from '../git/is-missing.ts';
import type { Clock } from '../watch/clock.ts';
import { watchNames } from '../watch/names.ts';
import type { Watching } from '../watch/names.ts';
import type { Events } from './events.ts';
import { ADDRESS_FILE } from './protocol.ts';
import type { RunnerServer } from './server.ts';
import { folderId, isPipe } from './socket-path.ts';

export interface StayFoundOptions {
  server: Pick<RunnerServer, 'address' | 'stayFound'>;
  stateFolder: string;
  clock: Clock;
  events: Events;
  /** The state folder is not where it was: what this process knows, and its lock, count for nobody any more. */
  leave(why: string): void;
}

/** In milliseconds between two looks: a folder further up that is moved tells nobody. A batch that fails is a reason to look, too. */
const EVERY = 30_000;

/**
 * Keeps a runner within reach: one that lost its socket (a log out removes its folder, others clear away what is old) would hold the
 * lock and answer nobody.
 */
export async function stayFound({ server, stateFolder, clock, events, leave }: StayFoundOptions): Promise<Watching> {
  const home = await folderId(stateFolder);
  const ending = new AbortController();
  let told = '';
  let cancel = (): void => {};
  const warn = (message: string): void => events.emit({ type: 'warning', message });

  const watchFor = (folder: string, name: string): Watching =>
    watchNames({
      folder,
      names: new Set([name]),
      clock,
      // As for the file of a pause: Deno opens and closes what it tells of.
      polling: 'Deno' in globalThis,
      onChange: () => void look(),
      onWarning: warn,
    });
  const watchSocket = (): Watching | null => {
    const { address } = server;
    return isPipe(address) ? null : watchFor(dirname(address), basename(address));
  };

  const look = async (): Promise<void> => {
    if (ending.signal.aborted) return;
    try {
      if (!(await isStill(stateFolder, home))) {
        leave(`"${stateFolder}" was moved or removed`);
        return;
      }
      if (!(await server.stayFound()) || ending.signal.aborted) return;
      socket?.close();
      socket = watchSocket();
      warn(`Nobody could find the socket any more; listening anew on "${server.address}"`);
      told = '';
    } catch (error) {
      const message = `Nobody can reach this process any more: ${(error as Error).message}`;
      if (message !== told) warn(message);
      told = message;
    }
  };
  const regularly = (): void => {
    cancel = clock.after(EVERY, () => {
      regularly();
      void look();
    });
  };

  const note = watchFor(stateFolder, ADDRESS_FILE);
  let socket = watchSocket();
  regularly();
  events.subscribe(({ type }) => type === 'batch-failed' && void look(), ending.signal);
  return {
    close() {
      ending.abort();
      cancel();
      note.close();
      socket?.close();
    },
  };
}

async function isStill(folder: string, id: string): Promise<boolean> {
  try {
    return (await folderId(folder)) === id;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
