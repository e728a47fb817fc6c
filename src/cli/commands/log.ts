import { SyncError } from '../../core/errors.ts';
import { openRepository } from '../../git/repository.ts';
import { openState } from '../../state/open.ts';
import type { BatchSummary } from '../../state/state.ts';
import type { Call, Result } from '../call.ts';
import { isAmong, toRepositoryPath } from '../paths.ts';
import { counted } from '../render/list.ts';
import { printable } from '../render/printable.ts';
import type { Style } from '../render/style.ts';

const LIMIT = 20;

/** Past batches, newest first. Works without database and configuration. */
export async function logCommand({ terminal, args, options, style }: Call<{ limit?: number }>): Promise<Result> {
  const { top, statePath } = await openRepository(terminal.cwd, terminal.env);
  const path = args[0] === undefined ? undefined : await toRepositoryPath(top, terminal.cwd, args[0]);
  const state = await openState(statePath, { mode: 'read' });
  try {
    const batches = await state.history({ ...(path && { path }), limit: options.limit ?? LIMIT });
    if (path && batches.length === 0) {
      const base = (await state.base()).map((entry) => entry.path);
      if (!isAmong(path, base)) throw new SyncError('NOT_FOUND', `No batch has touched "${path}"`, { hint: 'npx sync-run log' });
    }
    const text = batches.map((batch) => `${line(batch, style)}\n`).join('');
    return { exit: 0, document: batches.map(entry), text: text || 'There is no batch yet\n' };
  } finally {
    await state.close();
  }
}

function entry(batch: BatchSummary): unknown {
  const { txid, command, source, direction, startedAt, finishedAt, status, head, undoes, counts } = batch;
  return { txid, command, source, direction, startedAt, finishedAt, status, head, undoes, ...counts };
}

function line({ txid, command, source, startedAt, status, undoes, counts }: BatchSummary, style: Style): string {
  const { files, rows, conflicts } = counts;
  const what = [
    files > 0 ? counted(files, 'file') : '',
    rows > 0 ? counted(rows, 'row') : '',
    conflicts > 0 ? style.error(counted(conflicts, 'conflict')) : '',
  ].filter((text) => text !== '');
  const by = source === 'cli' ? '' : ` by ${source}`;
  const how = status === 'done' ? '' : ` ${style.warning(status === 'void' ? 'never happened' : 'unfinished')}`;
  const taken = undoes === null ? '' : ` of ${undoes.slice(0, 8)}`;
  return `${style.code(txid.slice(0, 8))} ${localTime(startedAt)} ${printable(command)}${taken}${by}: ${what.join(', ') || 'nothing written'}${how}`;
}

/** The local time to the second, in a form that sorts. */
function localTime(at: number): string {
  return new Date(at).toLocaleString('sv-SE');
}
