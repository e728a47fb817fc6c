import { INVISIBLE } from '../../core/safe-path.ts';

// oxlint-disable-next-line no-control-regex -- these are what it is about
const HARMFUL = new RegExp(`[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f${INVISIBLE}]`, 'gu');

/** A text from a database or a file, with everything that could steer a terminal or reorder a line made visible. Newlines and tabs stay. */
export function printable(text: string): string {
  return text.replace(HARMFUL, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
