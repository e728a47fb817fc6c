import type { Change } from '../core/manifest.ts';
import { SyncError } from '../core/errors.ts';
import { needsPerson } from '../core/skips.ts';
import { busy, operations } from '../git/busy.ts';
import { hookNames } from '../git/hooks-names.ts';
import { isLock, waitForLocks } from '../git/locks.ts';
import type { Repository } from '../git/repository.ts';
import { type KnownStatus, readStaged } from '../git/staged.ts';
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
  /** What git told the stub of that index. */
  status?: KnownStatus | null;
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

/**
 * What a hook asks for, or why there is nothing to ask. Reads git only.
 *
 * @param isLeased whether a process holds a pause; that keeps post-hooks from getting here, but not a commit
 */
export async function hookRequest(
  context: Pick<Context, 'repository' | 'config' | 'state'>,
  call: HookCall,
  isLeased = false,
): Promise<Request | HookResult> {
  if (!(hookNames as readonly string[]).includes(call.hook))
    throw new SyncError('USAGE', `There is no hook "${call.hook}"`, { hint: 'sync-run hooks status lists them' });
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
  if (call.hook === 'pre-commit') return { ...request, ...(await stagedRequest(context, call)), dryRun: paused !== null || isLeased };
  // In the middle of a rebase git tells of each commit it amends; what comes of the rebase is told at its end.
  const isMidway = call.hook === 'post-rewrite' && call.args[0] === 'amend';
  const ignores = isMidway ? [] : passOf({ source: 'hook', hook: call.hook }).ignores;
  // A bisect goes on for days, and the rows follow it.
  const found = (await operations(repository)).filter(({ operation }) => operation !== 'bisect' && !ignores.includes(operation));
  if (found.some(({ operation }) => !isLock(operation))) return { exit: 0, lines: [] };
  if (found.length > 0) {
    if (!(await areLocksFree(repository)))
      return { exit: 0, lines: [`Another git command is at work: "${config.root}" is not imported; \`npx sync-run import\` does it`] };
    if (await busy(repository, { ignore: ignores })) return { exit: 0, lines: [] };
  }
  if (paused)
    return {
      exit: 0,
      lines: [
        `Paused by ${paused.who} (${paused.why}): "${config.root}" is not imported; once it is over, \`npx sync-run import\` does it`,
      ],
    };
  return request;
}

/** The locks of another git command, such as an editor's, are waited for. */
async function areLocksFree(repository: Repository): Promise<boolean> {
  try {
    await waitForLocks(repository, { timeoutMs: LOCK_TIMEOUT });
    return true;
  } catch (error) {
    if (error instanceof SyncError && error.code === 'LOCKED') return false;
    throw error;
  }
}

/** A commit brings its own files to their rows; one that is only partly staged is left alone, since nobody can say which text is meant. */
async function stagedRequest(
  { repository, config }: Pick<Context, 'repository' | 'config'>,
  call: HookCall,
): Promise<Pick<Request, 'paths' | 'leave'>> {
  const { indexFile, status: known = null } = call;
  const { entries, partly } = await readStaged(repository, config.root, { indexFile: indexFile ?? undefined, known });
  const paths = entries.flatMap(({ path, from }) => (from ? [path, from] : [path]));
  const refusal = { code: 'PARTLY_STAGED' as const, message: 'Only part of the file is staged; it is imported once all of it is' };
  return { paths, leave: () => new Map([...partly].map((path) => [path, refusal])) };
}

/** Lines of one kind; a person at a commit does not read a thousand. */
const MOST_LINES = 10;

/** What a report means for git and for the person who waits. */
export function hookResult(report: Report, call: HookCall, config: Context['config']): HookResult {
  const { rows, conflicts, skipped, aheadPaths } = report;
  const preCommit = call.hook === 'pre-commit';
  const written = rows.written + rows.inserted + rows.deleted + rows.renamed;
  const lines: string[] = [];
  // Only a pause makes a commit check without writing.
  if (report.dryRun) lines.push('Paused: the files of this commit are checked, not imported; `npx sync-run status` says by whom');
  else if (written > 0) lines.push(`Brought ${count(written, 'change')} to the database (${summary(rows)})`);
  lines.push(...listed(conflicts, ({ path, file, row }) => `Conflict: "${path}" (file ${word(file)}, row ${word(row)})`));
  const named = skipped.filter((skip) => needsPerson(skip) || skip.code === 'PARTLY_STAGED' || skip.code === 'HELD');
  lines.push(...listed(named, ({ path, message }) => `Left alone: "${path}": ${message}`));
  const rowsAhead = preCommit ? aheadPaths.rows : [];
  lines.push(...listed(rowsAhead, (path) => `The row is ahead of "${path}"`), ...report.notices);
  if (rowsAhead.length > 0) lines.push('See what rows are ahead by: npx sync-run diff. Bring it to the files: npx sync-run export');
  if (conflicts.length > 0) lines.push('See conflicts: npx sync-run diff. Settle them: npx sync-run resolve --file|--row|--merge <path>');

  const insists = rowsAhead.length > 0 && config.config.preCommit.rowsAhead === 'block';
  const blocks = preCommit && (conflicts.length > 0 || insists);
  if (blocks) {
    const why = conflicts.length > 0 ? '' : ' because "preCommit": {"rowsAhead": "block"} is set';
    lines.push(`The commit is blocked${why}; \`git commit --no-verify\` commits all the same and settles nothing`);
  }
  return { exit: blocks ? 1 : 0, lines };
}

function listed<T>(things: readonly T[], lineOf: (thing: T) => string): string[] {
  const more = things.length - MOST_LINES;
  return [...things.slice(0, MOST_LINES).map(lineOf), ...(more > 0 ? [`… and ${more} more`] : [])];
}

/** A hook never makes git fail because something of ours does not work; a commit may be told to insist on the database. */
export function hookFailure(error: unknown, call: HookCall, insist: boolean): HookResult {
  const message = error instanceof SyncError ? [error.message, error.hint].filter(Boolean).join('. ') : String(error);
  const unreachable = error instanceof SyncError && error.exitCode === 3;
  const block = insist && unreachable && call.hook === 'pre-commit';
  return {
    exit: block ? 1 : 0,
    lines: [block ? `${message}. The commit is blocked because "preCommit": {"unreachable": "block"} is set` : `Did nothing: ${message}`],
  };
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
