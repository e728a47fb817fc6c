import { verify } from '../../runner/verify.ts';
import type { Call, Result } from '../call.ts';
import { requireKnown, toRepositoryPaths } from '../paths.ts';
import { counted, list } from '../render/list.ts';
import { printable } from '../render/printable.ts';
import { withContext } from '../with-context.ts';

/** Compares all bytes of both sides. */
export function verifyCommand(call: Call): Promise<Result> {
  const { terminal, args, style } = call;
  return withContext(call, 'read', async (context) => {
    const paths = await toRepositoryPaths(context.repository.top, terminal.cwd, args);
    await requireKnown(context, paths);
    const { checked, differing } = await verify(context, paths);
    const lines =
      differing.length === 0
        ? [style.good(`${counted(checked, 'item')} compared, both sides hold the same bytes`)]
        : [
            style.error(`${differing.length} of ${counted(checked, 'item')} differ`),
            ...list(differing, ({ path, file, row }) => `${printable(path)} ${style.faint(`(file ${file}, row ${row})`)}`),
          ];
    return { exit: differing.length > 0 ? 1 : 0, document: { checked, differing }, text: `${lines.join('\n')}\n` };
  });
}
