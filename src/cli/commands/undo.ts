import { defaultRequest } from '../../runner/request.ts';
import { perform } from '../../runner/perform.ts';
import type { Call, Result } from '../call.ts';
import { renderReport, reportDocument, reportExit } from '../render/report.ts';
import { withContext } from '../with-context.ts';

/** Takes a batch back. */
export function undoCommand(call: Call<{ dryRun?: boolean; lockTimeout?: number }>): Promise<Result> {
  const { args, options, style } = call;
  return withContext(call, 'write', async (context) => {
    const report = await perform(context, {
      kind: 'undo',
      txid: args[0] ?? null,
      dryRun: options.dryRun ?? false,
      lockTimeout: options.lockTimeout ?? defaultRequest.lockTimeout,
    });
    return { exit: reportExit(report), document: reportDocument(report), text: renderReport(report, style) };
  });
}
