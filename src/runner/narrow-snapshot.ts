import { SyncError } from '../core/errors.ts';
import { keyId } from '../core/match.ts';
import type { BaseEntry, FileSeen } from '../core/model.ts';
import { digest } from '../core/digest.ts';
import { canonical } from '../core/newlines.ts';
import { type Item, noFacts, textsOf } from '../core/plan.ts';
import { head } from '../git/queries.ts';
import type { Hold, OpenConflict } from '../state/state.ts';
import { readFileSeen } from '../tree/read.ts';
import type { Context } from './context.ts';
import { nothingAbsent } from './git-facts.ts';
import { withRecords } from './remembered.ts';
import { excluder } from './scope.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * Looks at a few saved files only, so that a save is in its row in a moment whatever the size of the tree. It is for the plain case: files
 * that are there, known to the base, whose rows kept their keys and are still meant by the mapping, while git is idle or waits for this
 * very look. Names, twins and what is gone take a look at everything.
 *
 * @returns null where more has to be looked at
 */
export async function takeNarrowSnapshot(context: Context, paths: readonly string[]): Promise<Snapshot | null> {
  const { repository, state } = context;
  const [base, meta, conflicts, holds] = await Promise.all([state.baseAt(paths), state.meta(), state.conflicts(), state.holds()]);
  if (base.length !== new Set(paths).size) return null;
  const files = new Map<string, FileSeen>();
  for (const path of paths) {
    const seen = await fileAt(repository.top, path);
    if (!seen) return null;
    files.set(path, seen);
  }
  const items = await itemsOf(context, base, files, conflicts, holds);
  if (!items) return null;
  // Only a batch records the commit, and there will be none: a child less for a commit of what the runner has brought already.
  const commit = items.every(isInSync) ? null : await head(repository);
  return {
    items,
    skips: [],
    forgotten: [],
    git: { head: commit, headLog: 0, renames: new Map(), clean: false, unmerged: new Set() },
    absent: nothingAbsent,
    meta,
    conflicts,
    holds,
    lookups: new Map(),
    movedOut: null,
    texts: new Map(),
    leftovers: [],
  };
}

function isInSync(item: Item): boolean {
  const { base, file, row } = textsOf(item);
  return base === file && file === row;
}

async function fileAt(top: string, path: string): Promise<FileSeen | null> {
  try {
    return (await readFileSeen(top, path))?.seen ?? null;
  } catch (error) {
    if (error instanceof SyncError) return null; // a link or a folder: the look at everything names it
    throw error;
  }
}

async function itemsOf(
  context: Context,
  base: BaseEntry[],
  files: ReadonlyMap<string, FileSeen>,
  conflicts: OpenConflict[],
  holds: Hold[],
): Promise<Item[] | null> {
  return context.store.read(async (session) => {
    const items: Item[] = [];
    for (const { mapping, shape } of context.mappings) {
      const own = base.filter((entry) => entry.mapping === mapping.name);
      const rows = await session.lock(
        shape,
        own.map((entry) => entry.pk),
      );
      const excluded = excluder(mapping, context.config.root);
      for (const entry of own) {
        const row = rows.get(entry.pk);
        const seen = files.get(entry.path);
        const known =
          row?.inScope &&
          seen &&
          !excluded(entry.path) &&
          entry.fingerprint === mapping.fingerprint &&
          keyId(mapping, row.key) === keyId(mapping, entry.key);
        if (!known) return null;
        const texts = {
          file: mapping.newlines === 'lf' ? seen.lfDigest : seen.digest,
          row: mapping.newlines === 'lf' ? digest(canonical(row.text, 'lf')) : row.digest,
        };
        const item: Item = {
          mapping,
          base: entry,
          file: { seen, text: texts.file, key: entry.key },
          row: { seen: { pk: entry.pk, key: row.key, digest: row.digest, size: row.text.byteLength }, text: texts.row, path: entry.path },
          skip: null,
          facts: noFacts,
        };
        items.push(withRecords(item, conflicts, holds));
      }
    }
    return items.length === base.length ? items : null;
  });
}
