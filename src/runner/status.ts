import type { Change } from '../core/manifest.ts';
import type { Decision } from '../core/plan.ts';
import { needsPerson, type Skip } from '../core/skips.ts';
import { busy } from '../git/busy.ts';
import type { BatchSummary } from '../state/state.ts';
import type { Context } from './context.ts';
import { conflictOf, labelOf, skipsOf } from './describe.ts';
import { planBatch } from './plan-batch.ts';
import type { ConflictReport } from './report.ts';
import { defaultRequest } from './request.ts';
import { takeSnapshot } from './snapshot.ts';
import { checkTarget } from './target.ts';

export interface AheadReport {
  path: string;
  change: Change;
  from?: string;
}

/** Where the two sides stand. The JSON document of `status`. */
export interface Status {
  target: string;
  items: number;
  inSync: number;
  /** What the files are ahead by. */
  files: AheadReport[];
  rows: AheadReport[];
  conflicts: ConflictReport[];
  missing: string[];
  skipped: Skip[];
  held: string[];
  /** An unfinished batch; the next run ends it. */
  pending: { txid: string; command: string; startedAt: number; operations: number } | null;
  git: string | null;
  lastRun: BatchSummary | null;
}

/** Compares both sides with the base. Neither recovers nor writes. */
export async function readStatus(context: Context, paths: string[] | null = null): Promise<Status> {
  const pending = await context.state.intent();
  if (!pending) await checkTarget(context);
  const snapshot = await takeSnapshot(context);
  const decisions = planBatch(snapshot, { ...defaultRequest, command: 'status', direction: 'sync', source: 'hook', paths });
  const [operation, [lastRun]] = await Promise.all([busy(context.repository), context.state.history({ limit: 1 })]);
  const status: Status = {
    target: (await context.store.identity()).server,
    items: decisions.length,
    inSync: 0,
    files: [],
    rows: [],
    conflicts: [],
    missing: [],
    skipped: skipsOf(snapshot, decisions, { paths }).filter(({ code }) => code !== 'HELD'),
    held: [],
    pending: pending && {
      txid: pending.txid,
      command: pending.command,
      startedAt: pending.startedAt,
      operations: pending.operations.length,
    },
    git: operation?.operation ?? null,
    lastRun: lastRun ?? null,
  };
  for (const decision of decisions) place(status, decision);
  return status;
}

function place(status: Status, decision: Decision): void {
  const { item, change, skip } = decision;
  if (skip?.code === 'HELD') status.held.push(labelOf(decision));
  if (skip && skip.code !== 'HELD') return;
  if (decision.conflict || decision.state === 'conflict') status.conflicts.push(conflictOf(decision));
  else if (decision.missing) status.missing.push(labelOf(decision));
  else if (decision.state === 'in-sync' || decision.state === 'agreed') status.inSync++;
  else {
    if (change.file !== 'same') status.files.push(ahead(decision, change.file, item.base?.path));
    if (change.row !== 'same') status.rows.push(ahead(decision, change.row, item.base?.path));
  }
}

function ahead(decision: Decision, change: Change, from: string | undefined): AheadReport {
  return { path: labelOf(decision), change, ...(change === 'renamed' && from ? { from } : {}) };
}

/** Whether nothing is ahead, in conflict or waiting for a person. */
export function isInSync(status: Status): boolean {
  const { files, rows, conflicts, missing, skipped, pending } = status;
  return files.length + rows.length + conflicts.length + missing.length === 0 && pending === null && !skipped.some(needsPerson);
}
