import { confirm } from './ask.ts';
import type { Call } from './call.ts';
import { printable } from './render/printable.ts';

/** Asks whether a batch that changes much at once is meant; where nobody can be asked, it is not. */
export function consent({ terminal, json }: Pick<Call, 'terminal' | 'json'>): false | ((lines: string[]) => Promise<boolean>) {
  if (!terminal.interactive || json) return false;
  return (lines) => {
    terminal.err(`${lines.map(printable).join('\n')}\n`);
    return confirm(terminal, 'That is much at once. Is it meant?', { initial: false });
  };
}
