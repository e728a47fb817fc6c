import { digest, type Digest } from '../core/digest.ts';
import { canonical } from '../core/newlines.ts';
import type { BaseEntry } from '../core/model.ts';
import type { Decision } from '../core/plan.ts';
import type { OpenConflict } from '../state/state.ts';
import type { FollowUp } from './forward.ts';
import { adopted, isSuperseded, type Material } from './operations.ts';
import type { Request } from './request.ts';
import type { Snapshot } from './snapshot.ts';

/** What the batch changes in the state besides its operations: adoptions, conflicts that opened or were settled, the commit. */
export function followUpOf(
  snapshot: Snapshot,
  decisions: readonly Decision[],
  material: Material,
  request: Request,
): FollowUp & { isNeeded: boolean } {
  const set: BaseEntry[] = [];
  const drop: BaseEntry[] = [];
  for (const decision of decisions) {
    if (!decision.adopt && !isOutdated(decision)) continue;
    const after = adopted(decision);
    const before = decision.item.base;
    if (after) set.push(after);
    if (before && isSuperseded(before, after)) drop.push(before);
  }
  const texts = new Map<Digest, Uint8Array>();
  for (const { item, adopt } of decisions) {
    const bytes = adopt && item.file ? material.texts.get(item.file.seen.digest) : undefined;
    if (!bytes) continue;
    texts.set(item.file?.seen.digest ?? '', bytes);
    const text = canonical(bytes, item.mapping.newlines);
    texts.set(digest(text), text);
  }
  const conflicts = openAndSettled(decisions);
  const everything = request.paths === null;
  // An export has not looked at what the commit took away, so it does not count as having seen it.
  const seesCommit = everything && (request.direction !== 'export' || snapshot.meta.head === undefined);
  const seen = { head: snapshot.git.head, headLog: String(snapshot.git.headLog) };
  const moved = seen.head !== (snapshot.meta.head ?? null) || seen.headLog !== (snapshot.meta.headLog ?? '0');
  const meta: Record<string, string | null> = seesCommit && moved ? seen : {};
  const followUp = {
    set,
    drop: [...drop, ...(everything ? snapshot.forgotten : [])],
    conflicts,
    holds: { set: [], drop: [] },
    meta,
    texts,
  };
  const isNeeded = set.length + followUp.drop.length + conflicts.set.length + conflicts.drop.length + Object.keys(meta).length > 0;
  return { ...followUp, isNeeded };
}

/** In sync, but recorded under a mapping that has changed since: from now on it is agreed under the new one. */
function isOutdated({ state, skip, item }: Decision): boolean {
  return state === 'in-sync' && !skip && item.base !== null && item.base.fingerprint !== item.mapping.fingerprint;
}

/** A conflict stays on record until somebody settles it, also across branch switches. */
function openAndSettled(decisions: readonly Decision[]): FollowUp['conflicts'] {
  const set: OpenConflict[] = [];
  const drop: OpenConflict[] = [];
  for (const decision of decisions) {
    const { item } = decision;
    const known = item.facts.openConflict;
    const pair = { file: item.file?.text ?? null, row: item.row?.text ?? null };
    const record: OpenConflict = {
      mapping: item.mapping.name,
      key: item.row?.seen.key ?? item.file?.key ?? item.base?.key ?? {},
      path: decision.path,
      ...pair,
    };
    if (decision.conflict && !(known?.file === pair.file && known.row === pair.row)) {
      set.push(record);
    }
    const settled = decision.loser !== null || (decision.file !== null && decision.row !== null && known !== null);
    if (settled && known) drop.push({ ...record, ...known });
  }
  return { set, drop };
}
