import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SyncError } from '../../src/core/errors.ts';
import { SqliteError } from '../../src/sqlite/thread.ts';
import { commitError } from '../../src/store/sqlite/errors.ts';
import { RefusedError, RetryError } from '../../src/store/store.ts';

const codeOf = (errcode: number): unknown => {
  const error = commitError(new SqliteError('said by SQLite', errcode));
  return error instanceof SyncError ? error.code : error?.constructor;
};

it('only what may be found in the log by the next process is of unknown outcome', () => {
  // IOERR_WRITE, IOERR_FSYNC, IOERR_DIR_FSYNC, NOMEM, a thread that is gone.
  for (const errcode of [778, 1034, 1290, 7, 0]) assert.equal(codeOf(errcode), 'COMMIT_UNKNOWN', `errcode ${errcode}`);
  assert.equal((commitError(new Error('The thread is out of memory')) as SyncError).code, 'COMMIT_UNKNOWN');
  // BUSY, BUSY_SNAPSHOT; CONSTRAINT_FOREIGNKEY of a deferred one; FULL.
  for (const errcode of [5, 517]) assert.equal(codeOf(errcode), RetryError);
  assert.equal(codeOf(787), RefusedError);
  assert.equal(codeOf(13), 'DATABASE');
});
