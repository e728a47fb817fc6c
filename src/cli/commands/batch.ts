import type { Direction, Side } from '../../core/batch.ts';
import { defaultRequest } from '../../runner/request.ts';
import { run } from '../../runner/run.ts';
import type { Call, Result } from '../call.ts';
import { consent } from '../consent.ts';
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
      const report = await run(context, {
        ...defaultRequest,
        command: direction,
        direction,
        paths,
        prefer: options.prefer ?? null,
        dryRun: options.dryRun ?? false,
        allowMassChange: options.allowMassChange || consent(call),
        lockTimeout: options.lockTimeout ?? defaultRequest.lockTimeout,
      });
      return { exit: reportExit(report), document: reportDocument(report), text: renderReport(report, style) };
    });
}
