import { SyncError } from '../core/errors.ts';
import type { Manifest, ManifestEntry } from '../core/manifest.ts';

const sources = new Set(['cli', 'hook', 'watcher', 'mcp']);
const directions = new Set(['export', 'import', 'sync']);
const changes = new Set(['added', 'changed', 'deleted', 'renamed']);

/**
 * A manifest as it came over the socket, checked for its shape. What its paths are worth is decided where they are used.
 *
 * @throws {SyncError} `USAGE` if it is none
 */
export function parseManifest(value: unknown): Manifest {
  const told = (value ?? {}) as Record<string, unknown>;
  const text = (name: string): string => {
    const found = told[name];
    if (typeof found !== 'string') throw malformed(name);
    return found;
  };
  const head = (name: string): string | null => (told[name] === null || told[name] === undefined ? null : text(name));
  if (!sources.has(text('source'))) throw malformed('source');
  if (!directions.has(text('direction'))) throw malformed('direction');
  if (told.entries !== null && !Array.isArray(told.entries)) throw malformed('entries');
  return {
    id: text('id'),
    source: told.source as Manifest['source'],
    ...(told.hook === undefined ? {} : { hook: text('hook') }),
    direction: told.direction as Manifest['direction'],
    oldHead: head('oldHead'),
    newHead: head('newHead'),
    entries: told.entries === null ? null : told.entries.map(parseEntry),
  };
}

function parseEntry(value: unknown): ManifestEntry {
  const { path, change, from } = (value ?? {}) as Record<string, unknown>;
  if (typeof path !== 'string' || !changes.has(change as string)) throw malformed('entries');
  if (from !== undefined && typeof from !== 'string') throw malformed('entries');
  return { path, change: change as ManifestEntry['change'], ...(from === undefined ? {} : { from }) };
}

function malformed(name: string): SyncError {
  return new SyncError('USAGE', `A manifest has no valid "${name}"`);
}
