import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Unmounts a folder and removes a path once this process is gone, however it ends: a mount would outlive it.
 *
 * @returns to be ended where that is done already
 */
export function guardMount(folder: string, path: string): { end(): void } {
  // It reads until nobody holds the other end of the pipe, into which nothing is ever written.
  const script = 'read -r nothing; umount --lazy "$0" && rm -rf "$1"';
  const guard: ChildProcess = spawn('sh', ['-c', script, folder, path], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  return { end: () => void guard.kill('SIGKILL') };
}
