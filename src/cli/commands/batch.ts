import type { Direction, Side } from '../../core/batch.ts';
import { defaultRequest } from '../../runner/request.ts';
import type { Call, Result } from '../call.ts';
import { performAsking } from '../consent.ts';
import { requireKnown, toRepositoryPaths } from '../paths.ts';
import { renderReport, reportDocument, reportExit } from '../render/report.ts';
import { withContext } from '../with-context.ts';

export interface BatchOptions {
  dryRun?: boolean;
  prefer?: Side;
  allowMassChange?: boolean;
  lockTimeout?: number;
}

/** `export`, `import` and `sync`: one batch. */
export function batchCommand(direction: Direction): (call: Call<BatchOptions>) => Promise<Result> {
  return (call) =>
    withContext(call, 'write', async (context) => {
      const { terminal, args, options, style } = call;
      const paths = await toRepositoryPaths(context.repository.top, terminal.cwd, args);
      await requireKnown(context, paths);
      const report = await performAsking(call, context, {
        kind: 'run',
        command: direction,
        direction,
        paths,
        prefer: options.prefer ?? null,
        dryRun: options.dryRun ?? false,
        allowMassChange: options.allowMassChange ?? false,
        lockTimeout: options.lockTimeout ?? defaultRequest.lockTimeout,
      });
      return { exit: reportExit(report), document: reportDocument(report), text: renderReport(report, style) };
    });
}
