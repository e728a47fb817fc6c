import { SyncError } from '../core/errors.ts';
import type { Context } from '../runner/context.ts';
import { perform } from '../runner/perform.ts';
import type { Report } from '../runner/report.ts';
import type { Task } from '../runner/task.ts';
import { confirm } from './ask.ts';
import type { Call } from './call.ts';
import { printable } from './render/printable.ts';

/** Does a task. A batch that changes much at once is asked about where somebody can be asked, and done once they agree. */
export async function performAsking(call: Pick<Call, 'terminal' | 'json'>, context: Context, task: Task): Promise<Report> {
  try {
    return await perform(context, task);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'MASS_CHANGE' || task.kind !== 'run') throw error;
    if (!call.terminal.interactive || call.json) throw error;
    call.terminal.err(`${error.details.map(printable).join('\n')}\n`);
    if (!(await confirm(call.terminal, 'That is much at once. Is it meant?', { initial: false }))) throw error;
    return perform(context, { ...task, allowMassChange: true });
  }
}
