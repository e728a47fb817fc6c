import { digest, type Digest } from '../core/digest.ts';
import { keyId } from '../core/match.ts';
import { canonical } from '../core/newlines.ts';
import type { BaseEntry } from '../core/model.ts';
import type { Decision } from '../core/plan.ts';
import type { Hold, OpenConflict } from '../state/state.ts';
import type { FollowUp } from './forward.ts';
import { movedByRun } from './moved.ts';
import { adopted, isSuperseded, type Material } from './operations.ts';
import { itemId } from './plan-batch.ts';
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
  const texts = new Map<Digest, Uint8Array>();
  for (const { item, conflict } of decisions) {
    const { agreedSince } = item.facts;
    if (!conflict || !agreedSince) continue;
    if (item.base) set.push(item.base);
    else drop.push(agreedSince);
  }
  for (const decision of decisions) {
    if (!decision.adopt && !isOutdated(decision)) continue;
    const after = adopted(decision);
    const before = decision.item.base;
    if (after) set.push(after);
    // Agreed on before, and known by another digest since.
    const text = snapshot.texts.get(after?.text ?? '');
    if (after && text) texts.set(after.text, text);
    if (before && isSuperseded(before, after)) drop.push(before);
  }
  for (const { item, adopt } of decisions) {
    const bytes = adopt && item.file ? material.texts.get(item.file.seen.digest) : undefined;
    if (!bytes) continue;
    texts.set(item.file?.seen.digest ?? '', bytes);
    const text = canonical(bytes, item.mapping.newlines);
    texts.set(digest(text), text);
  }
  const conflicts = openAndSettled(decisions);
  const ended = endedHolds(snapshot, decisions, request);
  const everything = request.paths === null;
  // An export has not looked at what the commit took away, so it does not count as having seen it.
  const seesCommit = everything && (request.direction !== 'export' || snapshot.meta.head === undefined);
  const seen = { head: snapshot.git.head, headLog: String(snapshot.git.headLog) };
  const moved = seen.head !== (snapshot.meta.head ?? null) || seen.headLog !== (snapshot.meta.headLog ?? '0');
  const meta: Record<string, string | null> = { ...(seesCommit && moved && seen), ...movedByRun(snapshot, decisions) };
  const followUp = {
    set,
    drop: [...drop, ...(everything ? snapshot.forgotten : [])],
    conflicts,
    holds: { set: [], drop: ended },
    meta,
    texts,
    otherwise: new Map(
      decisions
        .filter(({ file, row }) => file || row)
        .flatMap(({ item: { base, facts } }, index) =>
          facts.agreedSince ? [[index, { cameFrom: base, agreedSince: facts.agreedSince }] as const] : [],
        ),
    ),
  };
  const changes = [set, followUp.drop, conflicts.set, conflicts.drop, ended, Object.keys(meta)];
  const isNeeded = changes.some(({ length }) => length > 0);
  return { ...followUp, isNeeded };
}

/** In sync, but recorded under a mapping that has changed since: from now on it is agreed under the new one. */
function isOutdated({ state, skip, item }: Decision): boolean {
  return state === 'in-sync' && !skip && item.base !== null && item.base.fingerprint !== item.mapping.fingerprint;
}

/** What was undone is held until somebody carries its item over by a command. Hooks do not end it: branches come and go. */
function endedHolds({ holds }: Snapshot, decisions: readonly Decision[], { source }: Request): Hold[] {
  if (source !== 'cli' || holds.length === 0) return [];
  const carried = decisions.filter((decision) => decision.file || decision.row || decision.adopt).map(({ item }) => item);
  const ids = new Set(carried.map(itemId));
  const mappings = new Map(carried.map(({ mapping }) => [mapping.name, mapping]));
  return holds.filter(({ mapping: name, key }) => {
    const mapping = mappings.get(name);
    return mapping && ids.has(`${name} ${keyId(mapping, key)}`);
  });
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
      base: item.base && { text: item.base.text, file: item.base.file, row: item.base.row },
    };
    if (decision.conflict && !(known?.file === pair.file && known.row === pair.row)) {
      set.push(record);
    }
    const settled = decision.loser !== null || (decision.file !== null && decision.row !== null && known !== null);
    if (settled && known) drop.push({ ...record, ...known });
  }
  return { set, drop };
}
