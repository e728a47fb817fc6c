import type { Change } from '../core/manifest.ts';
import { SyncError } from '../core/errors.ts';
import { needsPerson } from '../core/skips.ts';
import { operations } from '../git/busy.ts';
import { hookNames } from '../git/hooks-names.ts';
import { partlyStaged, stagedPaths } from '../git/staged.ts';
import type { Context } from './context.ts';
import { passOf } from './pass.ts';
import { readPause } from './pause.ts';
import type { Report } from './report.ts';
import { defaultRequest, type Request } from './request.ts';

/** What git called. */
export interface HookCall {
  hook: string;
  args: string[];
  /** The index `git commit` is about to write; absolute. Null outside of pre-commit. */
  indexFile: string | null;
}

export interface HookResult {
  /** 1 blocks the commit; only pre-commit may say so. */
  exit: 0 | 1;
  /** For the person at the terminal. */
  lines: string[];
  /** Null or left out where no batch ran. */
  report?: Report | null;
}

/** In milliseconds: git waits meanwhile. */
const LOCK_TIMEOUT = 2_000;

/** What a hook asks for, or why there is nothing to ask. Reads git only. */
export async function hookRequest(context: Pick<Context, 'repository' | 'config' | 'state'>, call: HookCall): Promise<Request | HookResult> {
  if (!(hookNames as readonly string[]).includes(call.hook)) throw new SyncError('USAGE', `There is no hook "${call.hook}"`, { hint: 'sync-run hooks status lists them' });
  const { repository, config, state } = context;
  const request: Request = {
    ...defaultRequest,
    command: `hook ${call.hook}`,
    direction: 'import',
    source: 'hook',
    lockTimeout: LOCK_TIMEOUT,
    byGit: true,
    indexFile: call.indexFile,
  };
  const paused = await readPause(state.folder);
  if (call.hook === 'pre-commit') return { ...request, ...(await stagedRequest(context, call)), dryRun: paused !== null };
  const { ignores } = passOf({ source: 'hook', hook: call.hook });
  const busy = (await operations(repository)).filter(({ operation }) => !ignores.includes(operation));
  if (busy.length > 0) return { exit: 0, lines: [] };
  if (paused) return { exit: 0, lines: [`Paused by ${paused.who} (${paused.why}): "${config.root}" is not imported; \`npx sync-run resume\` does it`] };
  return request;
}

/** A commit brings its own files to their rows; one that is only partly staged is left alone, since nobody can say which text is meant. */
async function stagedRequest({ repository, config }: Pick<Context, 'repository' | 'config'>, call: HookCall): Promise<Pick<Request, 'paths' | 'leave'>> {
  const index = call.indexFile === null ? {} : { indexFile: call.indexFile };
  const [staged, partly] = await Promise.all([stagedPaths(repository, config.root, index), partlyStaged(repository, config.root, index)]);
  const paths = staged.flatMap(({ path, from }) => (from ? [path, from] : [path]));
  const refusal = { code: 'PARTLY_STAGED' as const, message: 'Only part of the file is staged; it is imported once all of it is' };
  return { paths, leave: new Map([...partly].map((path) => [path, refusal])) };
}

/** What a report means for git and for the person who waits. */
export function hookResult(report: Report, call: HookCall, config: Context['config']): HookResult {
  const lines: string[] = [];
  const { rows, conflicts, skipped, ahead } = report;
  const written = rows.written + rows.inserted + rows.deleted + rows.renamed;
  if (written > 0) lines.push(`${report.dryRun ? 'Would bring' : 'Brought'} ${count(written, 'change')} to the database (${summary(rows)})`);
  for (const { path, file, row } of conflicts.slice(0, 10)) lines.push(`Conflict: "${path}" (file ${word(file)}, row ${word(row)})`);
  if (conflicts.length > 10) lines.push(`… and ${conflicts.length - 10} more conflicts`);
  for (const skip of skipped) if (needsPerson(skip) || skip.code === 'PARTLY_STAGED') lines.push(`Left alone: "${skip.path}": ${skip.message}`);
  const preCommit = call.hook === 'pre-commit';
  if (preCommit) for (const path of report.aheadPaths.rows) lines.push(`The row is ahead of "${path}": \`npx sync-run diff\`, then \`npx sync-run export\``);
  for (const notice of report.notices) lines.push(notice);
  const blocks = preCommit && (conflicts.length > 0 || (ahead.rows > 0 && config.config.preCommit.rowsAhead === 'block'));
  if (conflicts.length > 0) {
    lines.push('See them: npx sync-run diff. Settle them: npx sync-run resolve --file|--row|--merge <path>');
    if (preCommit) lines.push('The commit is blocked until then; `git commit --no-verify` commits all the same and leaves the conflict open');
  }
  return { exit: blocks ? 1 : 0, lines };
}

/** A hook never makes git fail because something of ours does not work; a commit may be told to insist on the database. */
export function hookFailure(error: unknown, call: HookCall, insist: boolean): HookResult {
  const message = error instanceof SyncError ? [error.message, error.hint].filter(Boolean).join('. ') : String(error);
  const unreachable = error instanceof SyncError && error.exitCode === 3;
  const block = insist && unreachable && call.hook === 'pre-commit';
  return { exit: block ? 1 : 0, lines: [block ? `${message}. The commit is blocked because "preCommit": {"unreachable": "block"} is set` : `Did nothing: ${message}`] };
}

function summary(rows: Report['rows']): string {
  return Object.entries(rows)
    .filter(([, n]) => n > 0)
    .map(([what, n]) => `${n} ${what}`)
    .join(', ');
}

function word(change: Change): string {
  return change === 'same' ? 'unchanged' : change;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
