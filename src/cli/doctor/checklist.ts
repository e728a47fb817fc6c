import { SyncError } from '../../core/errors.ts';
import { Interrupted } from '../interrupted.ts';

export interface Check {
  name: string;
  /** `warning`: works, but somebody should know; `failed`: needs a person. */
  status: 'ok' | 'warning' | 'failed';
  message: string;
  remedy?: string;
}

/** What one look found; without a status it is fine. */
type Found = Omit<Check, 'name' | 'status'> & { status?: Check['status'] };

export interface Checklist {
  readonly checks: readonly Check[];
  add(name: string, found: Found): void;
  /** Looks at one thing. A failure is a line of the list, and never keeps the other checks from running; then it returns null. */
  look<T>(name: string, work: () => Promise<T>): Promise<T | null>;
}

export function createChecklist(signal: AbortSignal): Checklist {
  const checks: Check[] = [];
  const add: Checklist['add'] = (name, { status = 'ok', message, remedy }) =>
    void checks.push({ name, status, message, ...(remedy && { remedy }) });
  return {
    checks,
    add,
    async look(name, work) {
      signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        if (signal.aborted || error instanceof Interrupted) throw error;
        const failure = error instanceof SyncError ? error : new SyncError('INTERNAL', String(error), { cause: error });
        const details = failure.details.filter((detail) => !failure.message.includes(detail));
        add(name, { status: 'failed', message: [failure.message, ...details].join('\n'), ...(failure.hint && { remedy: failure.hint }) });
        return null;
      }
    },
  };
}
