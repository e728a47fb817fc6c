import type { CheckedMapping } from '../config/check.ts';
import type { Operation } from '../core/batch.ts';
import { keyId } from '../core/match.ts';
import type { Decision } from '../core/plan.ts';
import type { Skip } from '../core/skips.ts';
import { type ConflictReport, emptyReport, type Report } from './report.ts';
import type { Request } from './request.ts';
import type { Snapshot } from './snapshot.ts';

interface Told {
  snapshot: Snapshot;
  decisions: readonly Decision[];
  operations: readonly Operation[];
  mappings: readonly CheckedMapping[];
  request: Request;
}

/** Fills a report with what the plan does; a dry run says exactly this. */
export function describe(report: Report, { snapshot, decisions, operations, mappings, request }: Told): Report {
  for (const decision of decisions) {
    if (decision.conflict) report.conflicts.push(conflictOf(decision));
    if (decision.adopt && decision.item.file && decision.item.row) report.adopted++;
    if (decision.state === 'in-sync' && !decision.skip) report.unchanged++;
    if (decision.ahead) {
      const side = decision.ahead === 'file' ? 'files' : 'rows';
      report.ahead[side]++;
      report.aheadPaths[side].push(labelOf(decision));
    }
    countFile(report, decision);
    countRow(report, decision);
  }
  report.skipped = skipsOf(snapshot, decisions, request);
  const missing = decisions.filter((decision) => decision.missing).length;
  if (missing > 0) {
    const files = missing === 1 ? '1 file is' : `${missing} files are`;
    report.notices.push(
      `${files} missing: bring back with \`npx sync-run resolve --row <path>\`, or delete the row with \`npx sync-run import <path>\``,
    );
  }
  for (const { mapping } of mappings) {
    if (mapping.rules.notice && operations.some(({ row, mapping: name }) => row && name === mapping.name))
      report.notices.push(mapping.rules.notice);
  }
  return report;
}

/** Takes back what `describe` counted for an item that ended otherwise. */
export function uncount(report: Report, decision: Decision): void {
  const counted = emptyReport(report.command, report.dryRun);
  countFile(counted, decision);
  countRow(counted, decision);
  for (const what of ['written', 'deleted', 'renamed'] as const) report.files[what] -= counted.files[what];
  for (const what of ['written', 'inserted', 'deleted', 'renamed'] as const) report.rows[what] -= counted.rows[what];
  const wrong = new Set(counted.changes.map((change) => JSON.stringify(change)));
  report.changes = report.changes.filter((change) => !wrong.has(JSON.stringify(change)));
}

export function skipsOf(snapshot: Snapshot, decisions: readonly Decision[], request: Pick<Request, 'paths'>): Skip[] {
  const items = decisions.flatMap((decision) =>
    decision.skip ? [{ path: labelOf(decision), code: decision.skip.code, message: decision.skip.message }] : [],
  );
  const others = snapshot.skips.filter(
    ({ path }) => request.paths === null || request.paths.some((at) => path === at || path.startsWith(`${at}/`)),
  );
  return [...others, ...items];
}

export function conflictOf(decision: Decision): ConflictReport {
  const { item } = decision;
  return {
    path: labelOf(decision),
    mapping: item.mapping.name,
    key: item.row?.seen.key ?? item.file?.key ?? item.base?.key ?? {},
    file: decision.change.file,
    row: decision.change.row,
  };
}

/** The path of an item, or its table and key where it has none. */
export function labelOf({ item, path }: Pick<Decision, 'item' | 'path'>): string {
  if (path) return path;
  return `${item.mapping.table} ${keyId(item.mapping, item.row?.seen.key ?? item.base?.key ?? {})}`;
}

function countFile(report: Report, decision: Decision): void {
  const { file, item, path } = decision;
  if (file?.kind === 'delete') {
    report.files.deleted++;
    report.changes.push({ action: 'delete file', path });
  } else if (file) {
    const from = item.file?.seen.path;
    const moved = from !== undefined && from !== file.path;
    if (moved) report.files.renamed++;
    if (file.text === 'row' || !moved) report.files.written++;
    report.changes.push({ action: moved ? 'rename file' : 'write file', path: file.path, ...(moved ? { from } : {}) });
  }
}

function countRow(report: Report, decision: Decision): void {
  const { row, path, item } = decision;
  if (!row) return;
  if (row.kind === 'insert') report.rows.inserted++;
  if (row.kind === 'delete') report.rows.deleted++;
  if (row.kind === 'update' && row.key) report.rows.renamed++;
  if (row.kind === 'update' && row.text) report.rows.written++;
  const renamed = row.kind === 'update' && row.key !== null;
  const action = row.kind === 'update' ? (renamed ? 'rename row' : 'write row') : `${row.kind} row`;
  report.changes.push({ action, path, ...(renamed ? { from: item.row?.path } : {}) });
}
