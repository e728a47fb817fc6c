import { type ErrorCode, SyncError } from '../../core/errors.ts';
import { printable } from './printable.ts';

/** A defect: it keeps its stack, since only that helps whoever has to find it. */
export function internalError(error: unknown): SyncError {
  const cause = error instanceof Error ? error : new Error(String(error));
  return new SyncError('INTERNAL', `A defect in sync-run: ${cause.message}`, {
    cause,
    hint: 'Report it with the lines above; a batch that was cut short is finished or taken back by the next run',
  });
}

/** What went wrong, what was found, and how to go on; the last line has its newline. */
export function renderFailure(error: SyncError, paint: (text: string) => string): string {
  const lines = [`${paint('sync-run:')} ${printable(error.message)}`];
  if (error.code === 'INTERNAL' && error.cause instanceof Error) lines.push(indent(error.cause.stack ?? ''));
  const said = error.details.length === 1 && error.message.includes(error.details[0]!);
  if (!said) lines.push(...error.details.map((detail) => indent(printable(detail))));
  if (error.hint) lines.push(`To go on: ${printable(error.hint)}`);
  return `${lines.join('\n')}\n`;
}

/** The document of the exit codes 2 to 6. */
export function failureDocument(error: SyncError): unknown {
  const { code, message, hint = null, details } = error;
  return { error: { code, message, hint, ...(details.length > 0 && { details }) } };
}

/** What such a document says, as the process that printed it threw it. */
export function parseFailure(document: string): SyncError {
  const { error } = JSON.parse(document) as { error: { code: ErrorCode; message: string; hint: string | null; details?: string[] } };
  const { code, message, hint, details = [] } = error;
  return new SyncError(code, message, { details, ...(hint !== null && { hint }) });
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
