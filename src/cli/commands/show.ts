import type { Side } from '../../core/batch.ts';
import { openRepository } from '../../git/repository.ts';
import { showText } from '../../runner/texts.ts';
import { openState } from '../../state/open.ts';
import type { Call, Result } from '../call.ts';
import { toRepositoryPath } from '../paths.ts';

/** One text of a past batch, byte for byte. Works without database and configuration. */
export async function showCommand({ terminal, args, options }: Call<{ before?: boolean; side?: Side }>): Promise<Result> {
  const [txid = '', path = ''] = args;
  const { top, statePath } = await openRepository(terminal.cwd, terminal.env);
  const inside = await toRepositoryPath(top, terminal.cwd, path);
  const state = await openState(statePath, { mode: 'read' });
  try {
    return { exit: 0, text: await showText(state, { txid, path: inside, before: options.before ?? false, side: options.side ?? null }) };
  } finally {
    await state.close();
  }
}
