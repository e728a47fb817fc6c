import { SyncError } from '../core/errors.ts';
import { asTold } from '../runner/unstable.ts';
import type { Call, Handler, Result } from './call.ts';
import { Interrupted } from './interrupted.ts';
import { createProgram } from './program.ts';
import { failureDocument, internalError, renderFailure } from './render/failure.ts';
import { createStyle } from './render/style.ts';
import type { Terminal } from './terminal.ts';

/**
 * Runs one command line and returns the exit code of the design's table. Never throws.
 *
 * With `--json`, standard output gets exactly one document: that of the command, or that of the error.
 */
export async function runCli(terminal: Terminal): Promise<number> {
  const { argv } = terminal;
  const end = argv.indexOf('--');
  const json = argv.slice(0, end < 0 ? undefined : end).includes('--json');
  try {
    let result: Result = { exit: 0 };
    const program = await createProgram(terminal, async (load, args, options) => {
      result = await handle(await load(), { terminal, json, args, options });
    });
    const help = await program.run();
    if (help !== null) terminal.out(help);
    else if (json && result.document !== undefined) terminal.out(`${JSON.stringify(result.document, null, 2)}\n`);
    else if (result.text !== undefined) terminal.out(result.text);
    return result.exit;
  } catch (error) {
    return fail(error, terminal, json);
  }
}

function handle(handler: Handler, call: Pick<Call, 'terminal' | 'json' | 'args' | 'options'>): Promise<Result> {
  const { terminal, json } = call;
  const style = createStyle(json ? terminal.color.err : terminal.color.out);
  const say = (line: string): void => (json ? terminal.err(`${line}\n`) : terminal.out(`${line}\n`));
  return handler({ ...call, style, say } as Call<never>);
}

function fail(error: unknown, terminal: Terminal, json: boolean): number {
  const { reason, aborted } = terminal.signal as { reason: unknown; aborted: boolean };
  const stopped = error instanceof Interrupted ? error : aborted && reason instanceof Interrupted ? reason : null;
  if (stopped) {
    const message = `${stopped.message}. What had begun is finished, or taken back by the next run`;
    terminal.err(`sync-run: ${message}\n`);
    if (json) terminal.out(`${JSON.stringify({ error: { code: 'INTERRUPTED', message, hint: null } }, null, 2)}\n`);
    return stopped.exitCode;
  }
  const known = asTold(error);
  const failure = known instanceof SyncError ? known : internalError(known);
  terminal.err(renderFailure(failure, createStyle(terminal.color.err).error));
  if (json) terminal.out(`${JSON.stringify(failureDocument(failure), null, 2)}\n`);
  return failure.exitCode;
}
