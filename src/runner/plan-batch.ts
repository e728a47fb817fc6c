import { keyId, type Refusal } from '../core/match.ts';
import { massChanges } from '../core/mass-change.ts';
import { refuseOccupied } from '../core/occupied.ts';
import { type Decision, forbidden, type Item, planItem } from '../core/plan.ts';
import { SyncError } from '../core/errors.ts';
import type { SkipCode } from '../core/skips.ts';
import type { Request } from './request.ts';
import type { Snapshot } from './snapshot.ts';

/** Items refused while an earlier attempt wrote them, by mapping and key. */
export type Refused = ReadonlyMap<string, Refusal>;

/** What the batch does to every item it looks at. Pure but for the snapshot it reads. */
export function planBatch(snapshot: Snapshot, request: Request, refused: Refused = new Map()): Decision[] {
  const items = snapshot.items.filter((item) => isNamed(item, request.paths));
  const leave = request.leave();
  const decisions = items.map((item) => {
    const refusal = refused.get(itemId(item)) ?? leaveOf(item, leave);
    return planMerge(planItem(refusal ? { ...item, skip: refusal } : item, request), request);
  });
  const paths = snapshot.items.flatMap((item) => (item.file ? [item.file.seen.path] : []));
  const bases = snapshot.items.flatMap((item) => (item.base ? [item.base.path] : []));
  return refuseOccupied(decisions, new Set(paths), new Set(bases));
}

/** A file that just vanished is left until it is sure to stay away, unless git itself took it away: then it is sure. */
function leaveOf(item: Item, leave: ReadonlyMap<string, Refusal>): Refusal | undefined {
  const refusal = leave.get(item.file?.seen.path ?? item.base?.path ?? '');
  return refusal?.code === 'UNSETTLED' && !item.file && item.facts.removedFromIndex ? undefined : refusal;
}

/**
 * Stops a batch that would lose too much at once, unless somebody consents.
 *
 * @returns for a dry run, what the run itself would stop for
 * @throws {SyncError} `MASS_CHANGE`
 */
export async function guardMassChange(decisions: readonly Decision[], snapshot: Snapshot, request: Request): Promise<string[]> {
  const changes = massChanges(decisions, snapshot.absent.goneWithCommit, snapshot.items);
  if (changes.length === 0 || request.allowMassChange === true) return [];
  const summary = changes.map(({ mapping, what, count, of }) => `The mapping "${mapping}" would ${what}: ${count} of ${of}`);
  if (request.dryRun) return [...summary, 'The run itself would stop here; --allow-mass-change lets it pass'];
  const details = changes.flatMap(({ paths }, index) => [
    summary[index] ?? '',
    ...paths.slice(0, 10).map((path) => `  ${path}`),
    ...(paths.length > 10 ? [`  … and ${paths.length - 10} more`] : []),
  ]);
  if (typeof request.allowMassChange === 'function' && (await request.allowMassChange(details))) return [];
  throw new SyncError('MASS_CHANGE', 'The batch would change too much at once; nothing was written', {
    details,
    hint: `If this is meant: npx sync-run ${request.source === 'cli' ? request.command : 'import'} --allow-mass-change`,
  });
}

export function itemId(item: Pick<Item, 'mapping' | 'base' | 'row' | 'file'>): string {
  const key = item.row?.seen.key ?? item.base?.key ?? item.file?.key ?? {};
  return `${item.mapping.name} ${keyId(item.mapping, key)}`;
}

function isNamed(item: Item, paths: string[] | null): boolean {
  if (!paths) return true;
  const own = [item.file?.seen.path, item.row?.path, item.base?.path].filter((path) => path !== undefined);
  return paths.some((path) => own.some((at) => at === path || at.startsWith(`${path}/`) || path === '.'));
}

/** The text that was joined for this item; null where a side holds something else by now. */
export function mergedText({ item, path }: Decision, { merged }: Request): Uint8Array | null {
  const joined = merged.get(path);
  return joined && joined.file === item.file?.seen.digest && joined.row === item.row?.seen.digest ? joined.text : null;
}

/** A merged text goes to both sides at once, or to none, and a new name along with it. Two new names are for a person. */
function planMerge(decision: Decision, request: Request): Decision {
  const { item } = decision;
  if (decision.skip || !item.file || !item.row || mergedText(decision, request) === null) return decision;
  const settled = { ...decision, conflict: false, adopt: false };
  const refusal = forbidden(item, 'file') ?? forbidden(item, 'row');
  if (refusal) return { ...settled, skip: refusal };
  const path = item.file.seen.path;
  const isRenamed = { file: path !== item.base?.path, row: item.row.path !== item.base?.path };
  if (path !== item.row.path && isRenamed.file && (isRenamed.row || item.file.key === null)) return decision;
  return {
    ...settled,
    file: { kind: 'write', path: isRenamed.row ? item.row.path : path, text: 'file' },
    row: { kind: 'update', key: isRenamed.file && path !== item.row.path ? item.file.key : null, text: true },
  };
}

const ONE_SIDED = new Set<SkipCode>(['SPARSE', 'ORPHANED', 'INHERITED']);

/** Whether the item is meant to have a file and a row; what a sparse checkout leaves out, for one, is not. */
export function hasTwoSides({ skip }: Decision): boolean {
  return skip === null || !ONE_SIDED.has(skip.code);
}
