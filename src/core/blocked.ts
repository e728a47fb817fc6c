import { findCollisions } from './collisions.ts';
import { keyId, type RowSide } from './match.ts';
import type { Mapping } from './model.ts';
import type { Item } from './plan.ts';
import { type Skip, skipAt } from './skips.ts';

/** Rows that share a key are refused together: which of them a file stands for, nobody can tell. */
export function refuseDuplicates(mapping: Mapping, rows: RowSide[]): void {
  const byKey = Map.groupBy(rows, (row) => keyId(mapping, row.seen.key));
  for (const [key, twins] of byKey) {
    if (twins.length < 2) continue;
    const which = twins.map((row) => row.seen.pk).join(', ');
    for (const row of twins) {
      row.refusal ??= {
        code: 'DUPLICATE_KEY',
        message: `${twins.length} rows of "${mapping.table}" have the key ${key}: primary keys ${which}`,
      };
    }
  }
}

/** Paths that are one and the same on some file systems. Judged on the set of paths there would be if everything were carried over. */
export function refuseCollisions(items: Item[]): void {
  const paths = new Map<string, Item[]>();
  for (const item of items) {
    for (const path of resultingPaths(item)) paths.set(path, [...(paths.get(path) ?? []), item]);
  }
  for (const twins of findCollisions(paths.keys())) {
    for (const path of twins) {
      const others = twins.filter((twin) => twin !== path);
      const named = others
        .slice(0, 3)
        .map((twin) => `"${twin}"`)
        .join(', ');
      const more = others.length > 3 ? ` and ${others.length - 3} more` : '';
      for (const item of paths.get(path) ?? []) {
        item.skip ??= { code: 'COLLISION', message: `On some file systems this is the same path as ${named}${more}` };
      }
    }
  }
}

/** Where the item's file is or will be: a side that moved takes the file along. */
function resultingPaths(item: Item): string[] {
  const file = item.file?.seen.path;
  const row = item.row?.path || undefined;
  if (!item.base) return [item.file?.home ?? file, row].filter((path) => path !== undefined);
  if (file !== undefined && file !== item.base.path) return [file];
  return [row ?? file].filter((path) => path !== undefined);
}

/** A link or a folder that stands where an item's file would be makes the item wait for a person. */
export function refuseUnsafe(items: Item[], skips: Map<string, Skip>): void {
  for (const item of items) {
    for (const path of [item.base?.path, item.row?.path]) {
      const skip = path === undefined ? undefined : skipAt(skips, path);
      if (skip) item.skip ??= skip;
    }
  }
}

/** A file, mapped or not, that stands where an item's file would need a folder; or a folder where the file itself would be. */
export function refuseBlocked(items: Item[], files: ReadonlySet<string>, folders: ReadonlySet<string>): void {
  for (const item of items) {
    const path = item.row?.path ?? '';
    if (files.has(path)) continue;
    for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) {
      const folder = path.slice(0, slash);
      if (files.has(folder)) item.skip ??= { code: 'OCCUPIED', message: `The file "${folder}" is where a folder has to be` };
    }
    if (folders.has(path)) item.skip ??= { code: 'OCCUPIED', message: `The folder "${path}" is where the file has to be` };
  }
}
