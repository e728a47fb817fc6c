import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import path from 'node:path';
import { SyncError } from '../core/errors.ts';
import { type ParsedConfig, parseConfig, type Presets } from './parse.ts';
import { configFileName } from './schema.ts';

export interface LoadedConfig extends ParsedConfig {
  /** Where it was read from. */
  path: string;
}

/** In bytes. A configuration is some kilobytes; more is a mistake, or meant to exhaust the memory. */
const maxSize = 1024 * 1024;

/**
 * Reads and checks `sync-run.config.json` at the top of a working tree.
 *
 * @param top absolute path of the working tree
 * @throws {SyncError} `CONFIG` with everything that is wrong with it in `details`
 */
export async function loadConfig(top: string, presets: Presets): Promise<LoadedConfig> {
  const file = path.join(top, configFileName);
  const bytes = await readInside(top, file);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SyncError('CONFIG', `"${configFileName}" is not valid UTF-8`, { cause, hint: 'Save it as UTF-8' });
  }
  return { path: file, ...parseConfig(text, configFileName, presets) };
}

/** A symbolic link may lead around in the tree, not out of it: what a branch holds must not make the tool read other files. */
async function readInside(top: string, file: string): Promise<Uint8Array> {
  let handle: FileHandle | undefined;
  try {
    const real = await realpath(file);
    const inside = path.relative(await realpath(top), real);
    if (inside.startsWith('..') || path.isAbsolute(inside) || inside.split(path.sep)[0]!.toLowerCase() === '.git') {
      throw new SyncError('CONFIG', `"${configFileName}" is a symbolic link that leads out of the working tree`, {
        hint: 'Replace it with a file',
      });
    }
    // A pipe by that name would block for ever without O_NONBLOCK; Windows has neither flag.
    handle = await open(real, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
    const stat = await handle.stat();
    if (!stat.isFile()) throw new SyncError('CONFIG', `"${configFileName}" is not a regular file`, { hint: 'Replace it with a file' });
    if (stat.size > maxSize)
      throw new SyncError('CONFIG', `"${configFileName}" is larger than ${maxSize} bytes`, { hint: 'Remove what does not belong into it' });
    return await handle.readFile();
  } catch (cause) {
    if (cause instanceof SyncError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT')
      throw new SyncError('CONFIG', `There is no "${configFileName}" in "${top}"`, { hint: 'npx sync-run init', cause });
    throw new SyncError('CONFIG', `Reading "${configFileName}" failed: ${(cause as Error).message}`, {
      hint: `Check the rights of "${file}"`,
      cause,
    });
  } finally {
    await handle?.close();
  }
}
