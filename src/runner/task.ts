import type { Context } from './context.ts';
import type { Report } from './report.ts';
import { defaultRequest, type Request } from './request.ts';
import { resolve, type ResolveOptions } from './resolve.ts';
import { run } from './run.ts';
import { undo, type UndoOptions } from './undo.ts';

/** The part of a request that a person types, and that goes over the socket. */
export type TypedRequest = Pick<Request, 'command' | 'direction' | 'paths' | 'prefer' | 'dryRun' | 'lockTimeout'> & {
  allowMassChange: boolean;
};

/** What a typed command asks for; a JSON value, so that another process can do it. */
export type Task = ({ kind: 'run' } & TypedRequest) | ({ kind: 'undo' } & UndoOptions) | ({ kind: 'resolve' } & ResolveOptions);

/** Does the task in this process. */
export function performTask(context: Context, task: Task): Promise<Report> {
  const { kind } = task;
  if (kind === 'undo') return undo(context, task);
  if (kind === 'resolve') return resolve(context, task);
  const { kind: _, ...request } = task;
  return run(context, { ...defaultRequest, ...request });
}
