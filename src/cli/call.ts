import type { Style } from './render/style.ts';
import type { Terminal } from './terminal.ts';

/** One use of a command. */
export interface Call<Options = Record<string, unknown>> {
  terminal: Terminal;
  /** What follows the options. */
  args: string[];
  options: Options;
  json: boolean;
  style: Style;
  /** Says something at once: on standard output, or beside the document with `--json`. */
  say(line: string): void;
}

/** How a command ended when it did not fail. */
export interface Result {
  exit: number;
  /** For `--json`. */
  document?: unknown;
  /** For people; bytes are written as they are. */
  text?: string | Uint8Array;
}

/** What carries out a command; it knows the type of its own options. */
export type Handler = (call: Call<never>) => Promise<Result>;
