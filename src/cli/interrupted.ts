/** A signal, or Ctrl+C at a question. Exit codes are the shell's own: 128 and the number of the signal. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly exitCode: number;

  constructor(signal: 'SIGINT' | 'SIGTERM', exitCode: number) {
    super(`Stopped by ${signal}`);
    this.exitCode = exitCode;
  }
}
