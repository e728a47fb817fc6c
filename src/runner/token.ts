import { randomBytes } from 'node:crypto';
import { link, lstat, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SyncError } from '../core/errors.ts';
import { TOKEN_FILE } from './protocol.ts';

/**
 * The secret that both ends of the socket prove to know: whoever can read the state folder. Made once, mode 0600.
 *
 * @throws {SyncError} `STATE` if others could read it, or it holds no token
 */
export async function ensureToken(stateFolder: string): Promise<string> {
  const path = join(stateFolder, TOKEN_FILE);
  const found = await readToken(stateFolder);
  if (found !== null) return found;
  const temp = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const file = await open(temp, 'wx', 0o600);
    try {
      await file.writeFile(`${randomBytes(32).toString('hex')}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    // A token that came to be meanwhile stays.
    await link(temp, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new SyncError('IO', `Writing "${path}" failed: ${(cause as Error).message}`, { cause });
    }
  } finally {
    await rm(temp, { force: true });
  }
  const made = await readToken(stateFolder);
  if (made === null) throw new SyncError('IO', `The token "${path}" vanished while it was made`);
  return made;
}

/** The token, or null where there is none yet. */
export async function readToken(stateFolder: string): Promise<string | null> {
  const path = join(stateFolder, TOKEN_FILE);
  try {
    const stat = await lstat(path);
    const uid = process.getuid?.();
    if (!stat.isFile() || (uid !== undefined && (stat.uid !== uid || (stat.mode & 0o077) !== 0))) {
      throw new SyncError('STATE', `Others than you can read or change "${path}"`, {
        hint: `Remove it; it is made anew by \`sync-run watch\``,
      });
    }
    const token = (await readFile(path, 'utf8')).trim();
    if (!/^[0-9a-f]{64}$/.test(token)) {
      throw new SyncError('STATE', `"${path}" holds no token`, { hint: 'Remove it; it is made anew by `sync-run watch`' });
    }
    return token;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    if (cause instanceof SyncError) throw cause;
    throw new SyncError('IO', `Reading "${path}" failed: ${(cause as Error).message}`, { cause });
  }
}
