import type { Decision, Item } from './plan.ts';

/** What one mapping would lose in a batch. */
export interface MassChange {
  mapping: string;
  what: 'delete rows' | 'delete files' | 'overwrite files';
  count: number;
  of: number;
  paths: string[];
}

/**
 * Finds what needs consent: in one mapping, deletions of more than half of the items and at least five (or of all, where there are two or
 * more) on either side, and overwrites of more than half of the files and at least twenty.
 *
 * @param byCommit paths that the checked-out commit itself lacks; they never count
 * @param items every item there is, where the decisions are only about some of them
 */
export function massChanges(
  decisions: readonly Decision[],
  byCommit: ReadonlySet<string>,
  items: readonly Item[] = decisions.map(({ item }) => item),
): MassChange[] {
  const found: MassChange[] = [];
  for (const [mapping, own] of Map.groupBy(decisions, (decision) => decision.item.mapping.name)) {
    const known = own.filter((decision) => decision.item.base);
    const all = items.filter((item) => item.mapping.name === mapping);
    const [ofKnown, ofFiles] = [all.filter(({ base }) => base).length, all.filter(({ file }) => file).length];
    const rows = known.filter((decision) => decision.row?.kind === 'delete' && !byCommit.has(decision.item.base?.path ?? ''));
    const files = known.filter((decision) => decision.file?.kind === 'delete');
    const overwritten = own.filter(
      (decision) =>
        decision.file?.kind === 'write' && decision.file.text === 'row' && decision.item.file !== null && decision.change.row !== 'same',
    );
    if (tooMany(rows.length, ofKnown)) found.push(entry(mapping, 'delete rows', rows, ofKnown));
    if (tooMany(files.length, ofKnown)) found.push(entry(mapping, 'delete files', files, ofKnown));
    if (overwritten.length >= 20 && overwritten.length * 2 > ofFiles) found.push(entry(mapping, 'overwrite files', overwritten, ofFiles));
  }
  return found;
}

function tooMany(count: number, of: number): boolean {
  return (count >= 5 && count * 2 > of) || (count >= 2 && count === of);
}

function entry(mapping: string, what: MassChange['what'], decisions: Decision[], of: number): MassChange {
  return { mapping, what, count: decisions.length, of, paths: decisions.map((decision) => decision.path) };
}
