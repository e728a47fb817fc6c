import type { Progress } from '../../runner/context.ts';
import type { Terminal } from '../terminal.ts';

/** Shorter runs show nothing, in milliseconds. */
const PATIENCE = 1000;
const REDRAW = 100;

const words: Record<Progress['step'], string> = {
  scan: 'Looking at files and rows',
  stage: 'Preparing files',
  rows: 'Writing rows',
  files: 'Writing files',
  verify: 'Comparing',
};

/**
 * Shows what a long run is at, where somebody watches; else nothing at all.
 *
 * One line of our own: a spinner of clack takes the keyboard and ends the process at Ctrl+C, also in the middle of a batch.
 */
export function createProgress(terminal: Terminal, { quiet }: { quiet: boolean }): { report(step: Progress): void; stop(): void } {
  const { output } = terminal;
  if (quiet || !terminal.interactive) return { report() {}, stop() {} };
  let text = 'Working';
  let drawn = '';
  const draw = (): void => {
    if (drawn !== text) output.write(`\r\u001b[K${text}`);
    drawn = text;
  };
  let redrawing: NodeJS.Timeout | undefined;
  const waiting = setTimeout(() => {
    draw();
    redrawing = setInterval(draw, REDRAW);
  }, PATIENCE);
  return {
    report({ step, done, total }) {
      text = `${words[step]}${total > 0 ? ` ${done}/${total}` : ''}`;
    },
    stop() {
      clearTimeout(waiting);
      clearInterval(redrawing);
      if (drawn !== '') output.write('\r\u001b[K');
      drawn = '';
    },
  };
}
