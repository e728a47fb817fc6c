import { Interrupted } from './interrupted.ts';
import type { Terminal } from './terminal.ts';

/** Questions to whoever sits at the terminal. Ask only where `terminal.interactive`; Ctrl+C throws `Interrupted`. */
export async function confirm(terminal: Terminal, message: string, { initial = true } = {}): Promise<boolean> {
  const clack = await import('@clack/prompts');
  return answer(terminal, clack, await clack.confirm({ message, initialValue: initial, ...streams(terminal) }));
}

export async function askText(
  terminal: Terminal,
  message: string,
  { initial, placeholder, validate }: { initial?: string; placeholder?: string; validate?: (value: string) => string | undefined } = {},
): Promise<string> {
  const clack = await import('@clack/prompts');
  const check = (value: string | undefined): string | undefined => (value ? validate?.(value) : 'An answer is needed');
  const given = await clack.text({ message, initialValue: initial, placeholder, validate: check, ...streams(terminal) });
  return answer(terminal, clack, given).trim();
}

/** What is typed is not shown. */
export async function askSecret(terminal: Terminal, message: string): Promise<string> {
  const clack = await import('@clack/prompts');
  const validate = (value: string | undefined): string | undefined => (value?.trim() ? undefined : 'An answer is needed');
  return answer(terminal, clack, await clack.password({ message, validate, ...streams(terminal) })).trim();
}

export async function choose<T extends string>(
  terminal: Terminal,
  message: string,
  options: { value: T; label: string; hint?: string }[],
): Promise<T> {
  const clack = await import('@clack/prompts');
  const given = await clack.select<string>({ message, options, ...streams(terminal) });
  return answer(terminal, clack, given) as T;
}

function streams(terminal: Terminal): { input: NodeJS.ReadStream; output: NodeJS.WriteStream; signal: AbortSignal } {
  return { input: terminal.input, output: terminal.output, signal: terminal.signal };
}

function answer<T>(terminal: Terminal, clack: typeof import('@clack/prompts'), given: T): Exclude<T, symbol> {
  terminal.signal.throwIfAborted();
  if (clack.isCancel(given)) throw new Interrupted('SIGINT', 130);
  return given as Exclude<T, symbol>;
}
