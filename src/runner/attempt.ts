import type { Batch } from '../core/batch.ts';
import { SyncError } from '../core/errors.ts';
import type { Refusal } from '../core/match.ts';
import type { Decision } from '../core/plan.ts';
import { removeLeftovers } from '../tree/settle.ts';
import { applyBatch, type Planned } from './batch.ts';
import { breathe, mapCalmly } from './breathe.ts';
import type { Context } from './context.ts';
import { describe, uncount } from './describe.ts';
import { followUpOf } from './follow-up.ts';
import { type Deviations, treeOf } from './forward.ts';
import { watchGit } from './git-since.ts';
import { look } from './look.ts';
import { gather } from './material.ts';
import { newBatch } from './new-batch.ts';
import { joinFileChanges, toOperation } from './operations.ts';
import { guardMassChange, itemId, planBatch } from './plan-batch.ts';
import { emptyReport, type Report } from './report.ts';
import type { Request } from './request.ts';
import type { Snapshot } from './snapshot.ts';
import { settledCommit, tellStubOnce } from './stub-facts.ts';
import { checkTarget, prepareTarget, rememberTarget } from './target.ts';
import { Refusals, Unstable } from './unstable.ts';

/** The database did not take some items; nothing was written, and the batch may be tried without them. */
export class RefusedItems extends Error {
  readonly items: Map<string, Refusal>;
  constructor(items: Map<string, Refusal>) {
    super('The database did not take some items');
    this.items = items;
  }
}

/** Some items moved since the plan was made; nothing was written. The plan may be made again, without those that move each time. */
export class MovedItems extends Unstable {
  readonly items: readonly string[];
  constructor(message: string, items: readonly string[]) {
    super(message);
    this.items = items;
  }
}

/**
 * Plans once and applies the plan.
 *
 * @param refused items to leave out, by `itemId`; those that are found out before anything is written are added
 * @throws {Unstable | MovedItems | RetryError | RefusedItems} nothing was written; the plan may be made again
 */
export async function attempt(context: Context, request: Request, refused: Map<string, Refusal>): Promise<Report> {
  await checkTarget(context);
  const since = await watchGit(context, request);
  context.progress({ step: 'scan', done: 0, total: 0 });
  const snapshot = await look(context, request);
  await breathe();
  let decisions = planBatch(snapshot, request, refused);
  await breathe();
  const tooMuch = await guardMassChange(decisions, snapshot, request);
  const gathered = await gather(context, snapshot, decisions, request);
  if (gathered.refused.size > 0) {
    for (const [id, refusal] of gathered.refused) refused.set(id, refusal);
    decisions = planBatch(snapshot, request, refused);
  }
  const checked = new Map(context.mappings.map((entry) => [entry.mapping.name, entry]));
  const acting = decisions.filter((decision) => decision.file || decision.row);
  const operations = await mapCalmly(acting, (decision) =>
    toOperation(decision, checked.get(decision.item.mapping.name)!, gathered.material),
  );
  joinFileChanges(operations);
  await breathe();
  const report = describe(emptyReport(request.command, request.dryRun), {
    snapshot,
    decisions,
    operations,
    mappings: context.mappings,
    request,
  });
  if (request.dryRun) return { ...report, notices: [...tooMuch, ...report.notices] };
  if ((await since()) !== 'nothing') throw new Unstable('Git was at work while the batch was planned');
  // No batch is unfinished here, so nothing needs them any more.
  if (snapshot.leftovers.length > 0) {
    await context.state.secure();
    await removeLeftovers(treeOf(context), snapshot.leftovers);
  }

  const writesRows = operations.some(({ row }) => row);
  if (writesRows) await prepareTarget(context);
  await breathe();
  const followUp = followUpOf(snapshot, decisions, gathered.material, request);
  // Before the intent: whoever finishes this batch must know for which database it was planned.
  if (operations.length > 0 || followUp.isNeeded) await rememberTarget(context);
  if (operations.length === 0) {
    if (followUp.isNeeded) await context.state.record({ ...followUp, blobs: followUp.texts });
    if (refusedWhileWriting(refused)) throw refusedEverything(refused);
    await tellStubOnce(context, settledCommit(snapshot, report, request));
    return report;
  }
  const { command, source, direction } = request;
  const batch = await newBatch(context, { command, source, direction, head: snapshot.git.head, undoes: null }, operations);
  await tellStubOnce(context, null);
  const deviations = await apply(
    context,
    batch,
    { texts: gathered.material.texts, followUp, since, absent: absentOf(acting, snapshot) },
    acting,
  );
  const result = withDeviations({ ...report, txid: batch.txid }, deviations, acting);
  try {
    await tellStubOnce(context, settledCommit(snapshot, result, request));
  } catch (error) {
    // All is done by now. The stub was told before that it knows nothing, so the next hook only takes longer.
    if (!(error instanceof SyncError) || error.code !== 'IO') throw error;
    result.notices.push(`Everything was done, but the hooks were not told: ${error.message}`);
  }
  return result;
}

/** Of rows to be deleted, where their file was; left out where another item's file stands by now. */
function absentOf(acting: readonly Decision[], { items }: Snapshot): Map<number, string> {
  const absent = new Map(
    acting.flatMap(({ item: { base, file }, row }, index) =>
      row?.kind === 'delete' && base && !file ? [[index, base.path] as const] : [],
    ),
  );
  if (absent.size === 0) return absent;
  const taken = new Set([
    ...items.flatMap(({ file }) => file?.seen.path ?? []),
    ...acting.flatMap(({ file }) => (file?.kind === 'write' ? file.path : [])),
  ]);
  return new Map([...absent].filter(([, path]) => !taken.has(path)));
}

async function apply(context: Context, batch: Batch, planned: Planned, acting: Decision[]): Promise<Deviations> {
  try {
    return await applyBatch(context, batch, planned);
  } catch (error) {
    if (error instanceof Unstable && error.moved.length > 0) {
      throw new MovedItems(
        error.message,
        error.moved.map((index) => itemId(acting[index]!.item)),
      );
    }
    if (!(error instanceof Refusals)) throw error;
    throw new RefusedItems(new Map([...error.items].map(([index, refusal]) => [itemId(acting[index]!.item), refusal])));
  }
}

/** Codes that only show while writing. */
function refusedWhileWriting(refused: ReadonlyMap<string, Refusal>): boolean {
  return [...refused.values()].some(({ code }) => code === 'CHANGED_BY_DATABASE' || code === 'REFUSED_BY_DATABASE');
}

function refusedEverything(refused: ReadonlyMap<string, Refusal>): SyncError {
  const details = [...refused].map(([id, { code, message }]) => `${id}: ${code}: ${message}`);
  return new SyncError('VERIFY', 'The database did not take what was written; everything was rolled back', { details });
}

function withDeviations(report: Report, deviations: Deviations, acting: Decision[]): Report {
  for (const index of [...deviations.conflicts.keys(), ...deviations.skipped.keys()]) uncount(report, acting[index]!);
  for (const [index] of deviations.conflicts) {
    const { item, path, change } = acting[index]!;
    const key = item.row?.seen.key ?? item.file?.key ?? item.base?.key ?? {};
    report.conflicts.push({ path, mapping: item.mapping.name, key, file: 'changed', row: change.row });
  }
  for (const [index, refusal] of deviations.skipped) report.skipped.push({ path: acting[index]!.path, ...refusal });
  report.notices.push(...deviations.notices);
  return report;
}
