import { randomBytes } from 'node:crypto';
import type { State } from '../state/state.ts';

/** The random name of this working tree in the database; made up at the first call. */
export async function treeId(state: State): Promise<string> {
  const { tree } = await state.meta();
  if (tree) return tree;
  const made = randomBytes(16).toString('hex');
  await state.setMeta({ tree: made });
  return made;
}
