import { SyncError } from '../core/errors.ts';

/** The system's name of an error (`ENOENT`), also of one wrapped into a `SyncError`; undefined for any other. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = error instanceof SyncError ? errnoOf(error.cause) : (error as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : undefined;
}

/** A failed file operation with the path it was about, from the repository root. A `SyncError` passes as it is. */
export function ioError(action: string, path: string, error: unknown): SyncError {
  if (error instanceof SyncError) return error;
  const reason = errnoOf(error) ?? (error instanceof Error ? error.message : String(error));
  return new SyncError('IO', `Cannot ${action} "${path === '' ? '.' : path}": ${explain[reason] ?? reason}`, { cause: error });
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

const explain: Record<string, string> = {
  EACCES: 'permission denied (EACCES)',
  EPERM: 'the operation is not permitted (EPERM)',
  ENOSPC: 'the disk is full (ENOSPC)',
  EDQUOT: 'the disk quota is used up (EDQUOT)',
  // libuv has no name for it.
  'Unknown system error -122': 'the disk quota is used up (EDQUOT)',
  EROFS: 'the file system is read-only (EROFS)',
  EIO: 'the disk reported an error (EIO)',
  EMFILE: 'too many files are open (EMFILE)',
  ENOENT: 'it does not exist (ENOENT)',
  ENOTDIR: 'a part of the path is not a directory (ENOTDIR)',
  EEXIST: 'something is already there (EEXIST)',
  ENAMETOOLONG: 'the name is too long (ENAMETOOLONG)',
};
