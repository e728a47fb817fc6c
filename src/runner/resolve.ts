import { diff3Merge } from 'node-diff3';
import { digest } from '../core/digest.ts';
import { SyncError } from '../core/errors.ts';
import { canonical } from '../core/newlines.ts';
import type { Decision } from '../core/plan.ts';
import type { Context } from './context.ts';
import { conflictOf } from './describe.ts';
import { planBatch } from './plan-batch.ts';
import { baseText } from './read-base.ts';
import type { Report } from './report.ts';
import { defaultRequest, type Merged, type Request } from './request.ts';
import { run } from './run.ts';
import { takeSnapshot } from './snapshot.ts';
import { readTexts } from './texts.ts';

export interface ResolveOptions {
  paths: string[];
  how: 'file' | 'row' | 'merge';
  dryRun: boolean;
  /** In milliseconds. */
  lockTimeout: number;
}

/**
 * Settles items whose sides differ: one side wins, or the two are merged line by line. The text that loses is in the history first.
 * What cannot be merged without a person stays a conflict.
 */
export async function resolve(context: Context, options: ResolveOptions): Promise<Report> {
  const request: Request = { ...defaultRequest, command: 'resolve', direction: 'sync', ...options };
  if (options.how !== 'merge') return run(context, { ...request, settle: options.how, allowMassChange: true });
  const { merged, failed } = await mergeTexts(context, request);
  if (merged.size === 0 && failed.length === 0)
    throw new SyncError('NOT_FOUND', 'There is nothing to merge at these paths', { hint: 'npx sync-run status' });
  const report =
    merged.size > 0
      ? await run(context, { ...request, merged, paths: [...merged.keys()] })
      : await run(context, { ...request, dryRun: true, paths: failed.map(({ path }) => path) });
  if (failed.length === 0) return report;
  const conflicts = [
    ...report.conflicts.filter(({ path }) => !failed.some((decision) => decision.path === path)),
    ...failed.map(conflictOf),
  ];
  const notices = failed.map(
    ({ path }) => `"${path}" has overlapping changes: edit the file to what it should be, then \`npx sync-run resolve --file "${path}"\``,
  );
  return { ...report, dryRun: options.dryRun, conflicts, notices: [...report.notices, ...notices] };
}

async function mergeTexts(context: Context, request: Request): Promise<{ merged: Map<string, Merged>; failed: Decision[] }> {
  const snapshot = await takeSnapshot(context);
  const decisions = planBatch(snapshot, request).filter(({ item, conflict }) => conflict && item.file && item.row);
  const texts = await readTexts(
    context,
    decisions.map(({ item }) => item),
  );
  const merged = new Map<string, Merged>();
  const failed: Decision[] = [];
  for (const decision of decisions) {
    const { file, row } = texts.get(decision.item) ?? { file: null, row: null };
    const base = await baseText(context, snapshot.texts, decision.item.base);
    const { newlines } = decision.item.mapping;
    const text = base && file && row ? mergeText(base, canonical(file, newlines), canonical(row, newlines)) : null;
    if (text && file && row) merged.set(decision.path, { text, file: digest(file), row: digest(row) });
    else failed.push(decision);
  }
  return { merged, failed };
}

/** A three-way merge by lines; null where both sides changed the same lines, or a text is not UTF-8. */
export function mergeText(base: Uint8Array, file: Uint8Array, row: Uint8Array): Uint8Array | null {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let lines: string[][];
  try {
    lines = [file, base, row].map((bytes) => decoder.decode(bytes).split(/(?<=\n)/));
  } catch {
    return null; // not text: nothing to merge by lines
  }
  const [a, o, b] = lines as [string[], string[], string[]];
  const parts: string[] = [];
  for (const region of diff3Merge(a, o, b, { excludeFalseConflicts: true })) {
    if (!region.ok) return null;
    parts.push(...region.ok);
  }
  return new TextEncoder().encode(parts.join(''));
}
