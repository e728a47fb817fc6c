import { digest } from '../core/digest.ts';
import { canonical } from '../core/newlines.ts';
import type { Change } from '../core/manifest.ts';
import type { Context } from './context.ts';
import { labelOf } from './describe.ts';
import { hasTwoSides, planBatch } from './plan-batch.ts';
import { defaultRequest } from './request.ts';
import { takeSnapshot } from './snapshot.ts';
import { checkTarget } from './target.ts';
import { readTexts } from './texts.ts';

export interface Verified {
  checked: number;
  /** Items whose two texts are not the same bytes, or of which a side is absent. */
  differing: { path: string; file: Change; row: Change }[];
}

const AT_ONCE = 500;

/** Reads every text of both sides whole and compares the bytes; trusts no digest of the database and no base. */
export async function verify(context: Context, paths: string[] | null = null): Promise<Verified> {
  await checkTarget(context);
  const snapshot = await takeSnapshot(context);
  const planned = planBatch(snapshot, { ...defaultRequest, command: 'verify', direction: 'sync', source: 'hook', paths });
  const decisions = planned.filter(hasTwoSides);
  const result: Verified = { checked: decisions.length, differing: [] };
  for (let start = 0; start < decisions.length; start += AT_ONCE) {
    const chunk = decisions.slice(start, start + AT_ONCE);
    const texts = await readTexts(
      context,
      chunk.map(({ item }) => item),
    );
    for (const decision of chunk) {
      const { file, row } = texts.get(decision.item) ?? { file: null, row: null };
      const newlines = decision.item.mapping.newlines;
      const same = file !== null && row !== null && digest(canonical(file, newlines)) === digest(canonical(row, newlines));
      if (!same) result.differing.push({ path: labelOf(decision), ...decision.change });
    }
  }
  return result;
}
