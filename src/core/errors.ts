/** Every way a command can stop, with its exit code (design: "exit codes"). The docs are generated from this table. */
export const errorCodes = {
  USAGE: { exit: 2, means: 'the command line is wrong' },
  CONFIG: { exit: 2, means: 'sync-run.config.json is missing, not valid, or does not fit the database' },
  NOT_A_REPOSITORY: { exit: 2, means: 'there is no git working tree here' },
  NO_TARGET: { exit: 2, means: 'no database URL is known' },
  RUNTIME: { exit: 2, means: 'the Node.js version is too old' },
  STATE: { exit: 2, means: 'the state folder is corrupt or was written by a newer sync-run' },
  NOT_FOUND: { exit: 2, means: 'no such path, batch or text' },
  UNREACHABLE: { exit: 3, means: 'the database cannot be reached' },
  LOGIN: { exit: 3, means: 'the database refused the login' },
  COMMIT_UNKNOWN: { exit: 3, means: 'COMMIT was not confirmed, and its outcome could not be settled yet' },
  UNTRUSTED: { exit: 4, means: 'the configuration has not been trusted here' },
  MASS_CHANGE: { exit: 4, means: 'the batch would delete or overwrite too much' },
  WRONG_TARGET: { exit: 4, means: 'this is not the database the working tree was last synced with' },
  IO: { exit: 5, means: 'reading or writing a file failed' },
  VERIFY: { exit: 5, means: 'what was read back is not what was written' },
  DATABASE: { exit: 5, means: 'the database reported an error' },
  UNSTABLE: { exit: 5, means: 'rows, files or the configuration changed while the batch was planned' },
  INTERNAL: { exit: 5, means: 'a defect in sync-run' },
  LOCKED: { exit: 6, means: 'another run holds the lock' },
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface SyncErrorOptions {
  /** The command or action that fixes it. */
  hint?: string;
  cause?: unknown;
  /** Lines that name what was found or refused, one thing each. */
  details?: string[];
}

/** The one error class of the project: what went wrong, how to go on, and the exit code that follows. */
export class SyncError extends Error {
  override readonly name = 'SyncError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: string[];

  constructor(code: ErrorCode, message: string, options: SyncErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? [];
  }

  get exitCode(): number {
    return errorCodes[this.code].exit;
  }
}
