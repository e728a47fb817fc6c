import { SyncError } from '../../core/errors.ts';
import { defaultRequest } from '../../runner/request.ts';
import { perform } from '../../runner/perform.ts';
import type { Call, Result } from '../call.ts';
import { requireKnown, toRepositoryPaths } from '../paths.ts';
import { renderReport, reportDocument, reportExit } from '../render/report.ts';
import { withContext } from '../with-context.ts';

export interface ResolveOptions {
  file?: boolean;
  row?: boolean;
  merge?: boolean;
  dryRun?: boolean;
  lockTimeout?: number;
}

/** Settles items whose sides differ. */
export async function resolveCommand(call: Call<ResolveOptions>): Promise<Result> {
  const { terminal, args, options, style } = call;
  const how = (['file', 'row', 'merge'] as const).filter((one) => options[one]);
  if (how.length !== 1) {
    throw new SyncError('USAGE', 'Exactly one of --file, --row and --merge is needed', { hint: 'npx sync-run resolve --help' });
  }
  return withContext(call, 'write', async (context) => {
    const { top } = context.repository;
    const paths = await toRepositoryPaths(top, terminal.cwd, args);
    await requireKnown(context, paths);
    const report = await perform(context, {
      kind: 'resolve',
      paths: paths ?? [context.config.root],
      how: how[0]!,
      dryRun: options.dryRun ?? false,
      lockTimeout: options.lockTimeout ?? defaultRequest.lockTimeout,
    });
    return { exit: reportExit(report), document: reportDocument(report), text: renderReport(report, style) };
  });
}
