import { needsPerson, type Skip } from '../../core/skips.ts';
import type { ConflictReport, Report } from '../../runner/report.ts';
import { counted, list, shellWord } from './list.ts';
import { printable } from './printable.ts';
import type { Style } from './style.ts';

/** What a run came to, in the keys of the design and their order; notices are for those who read it nevertheless. */
export function reportDocument(report: Report): unknown {
  const { command, txid, dryRun, files, rows, adopted, unchanged, ahead, conflicts, skipped, verified, ms, notices } = report;
  return { command, txid, dryRun, files, rows, adopted, unchanged, ahead, conflicts, skipped, verified, ms, notices };
}

/** 1 if something needs a person, else 0. */
export function reportExit({ conflicts, skipped }: Pick<Report, 'conflicts' | 'skipped'>): number {
  return conflicts.length > 0 || skipped.some(needsPerson) ? 1 : 0;
}

/** What a run did, for people. */
export function renderReport(report: Report, style: Style): string {
  const sections = [
    summary(report, style),
    renderConflicts(report.conflicts, style),
    renderSkipped(report.skipped, style),
    report.notices.map((notice) => `${style.warning('Note:')} ${printable(notice)}`),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n')}\n`;
}

function summary(report: Report, style: Style): string[] {
  const { changes, dryRun, txid, adopted, unchanged, ahead } = report;
  const batch = txid === null ? '' : style.faint(` (batch ${txid.slice(0, 8)})`);
  const touched = new Set(changes.map(({ path }) => path)).size;
  const headline =
    touched > 0
      ? style.strong(`${dryRun ? 'Would change' : 'Changed'} ${counted(touched, 'item')}`) + batch
      : style.good(report.conflicts.length > 0 ? 'Nothing else to do' : 'Nothing to do');
  const same = [
    adopted > 0 ? `${counted(adopted, 'item')} found equal` : '',
    unchanged > 0 ? `${unchanged} in sync` : '',
    ahead.files > 0 ? `${counted(ahead.files, 'file')} ahead of ${ahead.files === 1 ? 'its row' : 'their rows'}` : '',
    ahead.rows > 0 ? `${counted(ahead.rows, 'row')} ahead of ${ahead.rows === 1 ? 'its file' : 'their files'}` : '',
  ].filter((text) => text !== '');
  return [
    headline,
    ...list(changes, ({ action, path, from }) => `${action.padEnd(11)} ${from ? `${printable(from)} -> ` : ''}${printable(path)}`),
    ...(same.length > 0 ? [style.faint(same.join(', '))] : []),
  ];
}

/** The conflicts, with the commands that settle them. */
export function renderConflicts(conflicts: readonly ConflictReport[], style: Style): string[] {
  const [first] = conflicts;
  if (!first) return [];
  const path = conflicts.length === 1 ? shellWord(first.path) : '<path>';
  return [
    style.error(`${counted(conflicts.length, 'conflict')}: both sides changed, and neither was touched`),
    ...list(conflicts, ({ path: at, file, row }) => `${printable(at)} ${style.faint(`(file ${file}, row ${row})`)}`),
    'Settle with one of these; the text that loses is kept in the history:',
    `  ${style.code(`npx sync-run resolve --file ${path}`)}`,
    `  ${style.code(`npx sync-run resolve --row ${path}`)}`,
    `  ${style.code(`npx sync-run resolve --merge ${path}`)}`,
  ];
}

/** What was left alone: first what needs somebody, then what a rule says. */
export function renderSkipped(skipped: readonly Skip[], style: Style): string[] {
  const refused = skipped.filter(needsPerson);
  const byRule = skipped.filter((skip) => !needsPerson(skip));
  const line = ({ path, code, message }: Skip): string => `${printable(path)} ${style.faint(code)} ${printable(message)}`;
  return [
    ...(refused.length > 0 ? [style.error(`${counted(refused.length, 'item')} refused:`), ...list(refused, line)] : []),
    ...(byRule.length > 0 ? [style.faint(`${counted(byRule.length, 'item')} left alone by a rule:`), ...list(byRule, line, 5)] : []),
  ];
}
