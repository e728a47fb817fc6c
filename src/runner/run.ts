import type { Batch } from '../core/batch.ts';
import { SyncError } from '../core/errors.ts';
import type { Refusal } from '../core/match.ts';
import type { Decision } from '../core/plan.ts';
import { operations } from '../git/busy.ts';
import { fingerprint } from '../git/fingerprint.ts';
import { waitForLocks } from '../git/locks.ts';
import { acquireLock } from '../state/lock.ts';
import { RetryError } from '../store/store.ts';
import { removeLeftovers } from '../tree/settle.ts';
import { applyBatch } from './batch.ts';
import type { Context } from './context.ts';
import { followUpOf } from './follow-up.ts';
import { type Deviations, treeOf } from './forward.ts';
import { gather } from './material.ts';
import { joinFileChanges, newTxid, toOperation } from './operations.ts';
import { guardMassChange, itemId, planBatch } from './plan-batch.ts';
import { recover } from './recovery.ts';
import { takeNarrowSnapshot } from './narrow-snapshot.ts';
import { emptyReport, type Report } from './report.ts';
import { describe } from './describe.ts';
import type { Request } from './request.ts';
import { type Snapshot, takeSnapshot } from './snapshot.ts';
import { settledCommit, tellStubOnce } from './stub-facts.ts';
import { checkTarget, prepareTarget, rememberTarget } from './target.ts';
import { Refusals, Unstable } from './unstable.ts';

const MAX_ATTEMPTS = 5;

/** Above this many paths a look at everything is about as quick. */
const NARROW_MAX = 50;

/**
 * Runs one request as one batch: takes the lock, ends an unfinished batch first, plans, applies, verifies.
 * Applied twice, it does nothing the second time.
 *
 * @throws {SyncError} with the exit code of the design's table; a conflict or a refused item is no error but part of the report
 */
export async function run(context: Context, request: Request): Promise<Report> {
  const started = performance.now();
  const report = request.dryRun
    ? await attempt(context, request, new Map())
    : await withLock(context, request, () => runLocked(context, request));
  return { ...report, ms: Math.round(performance.now() - started) };
}

/** Waits for git's locks and for the one-runner lock, and holds the latter while `work` runs. */
export async function withLock<T>(
  context: Context,
  request: Pick<Request, 'command' | 'lockTimeout'> & { byGit?: boolean },
  work: () => Promise<T>,
): Promise<T> {
  const waiting = { timeoutMs: request.lockTimeout, signal: context.signal };
  if (!request.byGit) await waitForLocks(context.repository, waiting);
  if (context.holdsLock) return work();
  const lock = await acquireLock(context.state.folder, { ...waiting, holder: { command: request.command } });
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/** The same, for whoever holds the lock already. */
export async function runLocked(context: Context, request: Request): Promise<Report> {
  const recovered = await recover(context);
  const refused = new Map<string, Refusal>();
  for (let tried = 1; ; tried++) {
    try {
      const report = await attempt(context, request, refused);
      if (recovered) {
        const what = recovered.outcome === 'finished' ? 'was finished' : 'had not been committed and was taken back';
        report.notices.unshift(`The unfinished batch ${recovered.batch.txid.slice(0, 8)} ${what}`);
      }
      return report;
    } catch (error) {
      if (!(error instanceof Unstable || error instanceof RetryError || error instanceof RefusedItems)) throw error;
      if (error instanceof RefusedItems) for (const [id, refusal] of error.items) refused.set(id, refusal);
      if (tried >= MAX_ATTEMPTS) {
        throw new SyncError('UNSTABLE', `Gave up after ${MAX_ATTEMPTS} attempts; nothing was changed`, { hint: 'Run the command again', cause: error });
      }
    }
  }
}

/** Saved files are looked at by themselves; everything else needs a look at everything. */
async function look(context: Context, request: Request): Promise<Snapshot> {
  const few = request.source === 'watcher' && request.paths !== null && request.paths.length <= NARROW_MAX;
  const narrow = few && request.paths ? await takeNarrowSnapshot(context, request.paths) : null;
  return narrow ?? takeSnapshot(context, request.indexFile);
}

/** Whether git moved HEAD or the index since this call, or is at it now. Under a hook git waits for us. */
async function watchGit(context: Context, request: Request): Promise<() => Promise<boolean>> {
  const { repository } = context;
  if (request.byGit) return async () => true;
  if (!request.dryRun) await waitForLocks(repository, { timeoutMs: request.lockTimeout, signal: context.signal });
  await context.gate?.waitOpen();
  // The gate sees all that these two looks at git see, and what lies between them.
  if (context.gate) return context.gate.mark();
  const before = await fingerprint(repository);
  return async () => {
    const locks = (await operations(repository)).some(({ operation }) => operation === 'index.lock' || operation === 'HEAD.lock');
    return !locks && (await fingerprint(repository)) === before;
  };
}

class RefusedItems extends Error {
  readonly items: Map<string, Refusal>;
  constructor(items: Map<string, Refusal>) {
    super('The database did not take some items');
    this.items = items;
  }
}

async function attempt(context: Context, request: Request, refused: Map<string, Refusal>): Promise<Report> {
  await checkTarget(context);
  const still = await watchGit(context, request);
  context.progress({ step: 'scan', done: 0, total: 0 });
  const snapshot = await look(context, request);
  let decisions = planBatch(snapshot, request, refused);
  const tooMuch = await guardMassChange(decisions, snapshot, request);
  const gathered = await gather(context, snapshot, decisions, request);
  if (gathered.refused.size > 0) {
    for (const [id, refusal] of gathered.refused) refused.set(id, refusal);
    decisions = planBatch(snapshot, request, refused);
  }
  const checked = new Map(context.mappings.map((entry) => [entry.mapping.name, entry]));
  const acting = decisions.filter((decision) => decision.file || decision.row);
  const operations = acting.map((decision) => toOperation(decision, checked.get(decision.item.mapping.name)!, gathered.material));
  joinFileChanges(operations);
  const report = describe(emptyReport(request.command, request.dryRun), { snapshot, decisions, operations, mappings: context.mappings, request });
  if (acting.length === 0 && refusedWhileWriting(refused)) throw refusedEverything(refused);
  if (request.dryRun) return { ...report, notices: [...tooMuch, ...report.notices] };
  if (!(await still())) throw new Unstable('Git was at work while the batch was planned');
  // No batch is unfinished here, so nothing needs them any more.
  if (snapshot.leftovers.length > 0) await removeLeftovers(treeOf(context), snapshot.leftovers);

  const writesRows = operations.some(({ row }) => row);
  if (writesRows) await prepareTarget(context);
  const followUp = followUpOf(snapshot, decisions, gathered.material, request);
  followUp.meta = { ...followUp.meta, ...(await rememberTarget(context)) };
  if (operations.length === 0) {
    if (followUp.isNeeded) await context.state.record({ ...followUp, blobs: followUp.texts });
    await tellStubOnce(context, settledCommit(snapshot, report, request));
    return report;
  }
  const batch = await newBatch(context, request, snapshot, operations);
  await tellStubOnce(context, null);
  const deviations = await apply(context, batch, gathered.material.texts, followUp, acting);
  const result = withDeviations({ ...report, txid: batch.txid }, deviations, acting);
  await tellStubOnce(context, settledCommit(snapshot, result, request));
  return result;
}

async function apply(
  context: Context,
  batch: Batch,
  texts: Map<string, Uint8Array>,
  followUp: Parameters<typeof applyBatch>[3],
  acting: Decision[],
): Promise<Deviations> {
  try {
    return await applyBatch(context, batch, texts, followUp);
  } catch (error) {
    if (!(error instanceof Refusals)) throw error;
    throw new RefusedItems(new Map([...error.items].map(([index, refusal]) => [itemId(acting[index]!.item), refusal])));
  }
}

async function newBatch(context: Context, request: Request, snapshot: Snapshot, operations: Batch['operations']): Promise<Batch> {
  const writesRows = operations.some(({ row }) => row);
  const tables = new Map(context.mappings.map(({ mapping, table }) => [mapping.name, table]));
  return {
    txid: newTxid(),
    command: request.command,
    source: request.source,
    direction: request.direction,
    startedAt: context.now(),
    head: snapshot.git.head,
    previousTxid: writesRows ? ((await context.state.meta()).rowTxid ?? null) : null,
    undoes: null,
    repairable: operations.some(({ row, mapping }) => row && !tables.get(mapping)?.transactional),
    operations,
  };
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
  for (const [index] of deviations.conflicts) {
    const { item, path, change } = acting[index]!;
    const key = item.row?.seen.key ?? item.file?.key ?? item.base?.key ?? {};
    report.conflicts.push({ path, mapping: item.mapping.name, key, file: 'changed', row: change.row });
  }
  for (const [index, refusal] of deviations.skipped) report.skipped.push({ path: acting[index]!.path, ...refusal });
  return report;
}
