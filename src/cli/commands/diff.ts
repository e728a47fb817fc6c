import { diffTexts } from '../../runner/texts.ts';
import type { Call, Result } from '../call.ts';
import { requireKnown, toRepositoryPaths } from '../paths.ts';
import { diffOf, renderDiff } from '../render/diff.ts';
import { withContext } from '../with-context.ts';

/** Unified diffs from file to row. */
export function diffCommand(call: Call): Promise<Result> {
  const { terminal, args, style } = call;
  return withContext(call, 'read', async (context) => {
    const paths = await toRepositoryPaths(context.repository.top, terminal.cwd, args);
    await requireKnown(context, paths);
    const diffs = (await diffTexts(context, paths)).map(diffOf);
    const escaped = terminal.color.out;
    return { exit: 0, document: diffs, text: diffs.map((diff) => renderDiff(diff, style, { escaped })).join('') };
  });
}
