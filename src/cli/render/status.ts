import type { Pause } from '../../runner/pause.ts';
import type { RunnerStatus } from '../../runner/runner.ts';
import type { AheadReport, Status } from '../../runner/status.ts';
import { counted, list } from './list.ts';
import { printable } from './printable.ts';
import { renderConflicts, renderSkipped } from './report.ts';
import type { Style } from './style.ts';

/** What the status of the runner adds to that of the two sides. */
export interface Live {
  paused: Pause | null;
  runner: RunnerStatus | null;
  /** The process of a runner that does not answer. */
  silent: number | 'unknown' | null;
}

/** The document of `status`, in the keys of the design and their order. */
export function statusDocument(status: Status, { paused, runner }: Omit<Live, 'silent'>): unknown {
  const { target, items, inSync, files, rows, conflicts, missing, skipped, held, pending, git, lastRun } = status;
  return { target, items, inSync, files, rows, conflicts, missing, skipped, held, pending, paused, runner, git, lastRun };
}

/** Where both sides stand, for people. */
export function renderStatus(status: Status, { paused, runner, silent }: Live, style: Style): string {
  const { target, items, inSync, files, rows, conflicts, missing, skipped, held, pending, git } = status;
  const lines = [
    `${style.strong(printable(target))}: ${inSync === items ? style.good(`all ${counted(items, 'item')} in sync`) : `${inSync} of ${counted(items, 'item')} in sync`}`,
  ];
  if (pending) {
    const what = `A batch of ${counted(pending.operations, 'item')} (${pending.command}, ${pending.txid.slice(0, 8)}) was cut short`;
    lines.push(style.warning(`${what}; the next run finishes it or takes it back: npx sync-run sync`));
  }
  if (runner) lines.push(...renderRunner(runner, style));
  if (silent !== null)
    lines.push(style.warning(`A runner, process ${silent}, does not answer: it is stopped or hangs; if so, end that process`));
  if (paused) lines.push(style.warning(`Paused by ${printable(paused.who)}: ${printable(paused.why)}`));
  if (git) lines.push(style.warning(`git is in the middle of something: ${git}`));
  lines.push(...renderAhead(files, 'Files ahead of their rows', 'npx sync-run import', style));
  lines.push(...renderAhead(rows, 'Rows ahead of their files', 'npx sync-run export', style));
  lines.push(...renderConflicts(conflicts, style));
  if (missing.length > 0) {
    lines.push(
      style.warning(`Files missing (npx sync-run resolve --row <path> brings one back, npx sync-run import <path> deletes its row):`),
    );
    lines.push(...list(missing, printable));
  }
  lines.push(...renderSkipped(skipped, style));
  if (held.length > 0) lines.push('Undone, and held until edited or named:', ...list(held, printable));
  return `${lines.join('\n')}\n`;
}

function renderAhead(ahead: readonly AheadReport[], title: string, command: string, style: Style): string[] {
  if (ahead.length === 0) return [];
  const line = ({ path, change, from }: AheadReport): string =>
    `${change.padEnd(8)} ${from ? `${printable(from)} -> ` : ''}${printable(path)}`;
  return [`${title} (${style.code(command)} carries them over):`, ...list(ahead, line)];
}

function renderRunner({ pid, command, since, queue, gate }: RunnerStatus, style: Style): string[] {
  const lines = [`A runner is at work: process ${pid} (${printable(command)}), since ${time(since)}`];
  for (const { who, why, since: from } of gate.closed)
    lines.push(style.warning(`  it waits since ${time(from)}: ${printable(who)}: ${printable(why)}`));
  if (queue.database)
    lines.push(style.warning(`  the database is away: ${printable(queue.database.message)}; what waits is applied once it is back`));
  if (queue.depth > 0) lines.push(`  ${counted(queue.depth, 'path')} waiting`);
  const [last] = gate.past;
  if (last) lines.push(`  it last waited for ${Math.round(last.until - last.since)} ms: ${printable(last.who)}: ${printable(last.why)}`);
  return lines;
}

export function time(at: number): string {
  return new Date(at).toISOString().replace('T', ' ').slice(0, 19);
}
