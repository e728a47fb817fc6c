import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff';
import { printable } from './printable.ts';
import type { Style } from './style.ts';

export interface TextDiff {
  path: string;
  /** In bytes; null where the side has no text. */
  file: number | null;
  row: number | null;
  binary: boolean;
  /** From the file to the row, in unified form; null where the texts are binary, or too different to compare in time. */
  diff: string | null;
}

/** Two texts that share next to nothing would take minutes; in milliseconds. */
const TIMEOUT = 5000;

/** The difference of two texts; nothing that is not text is ever printed as such. */
export function diffOf({ path, file, row }: { path: string; file: Uint8Array | null; row: Uint8Array | null }): TextDiff {
  const sizes = { path, file: file?.byteLength ?? null, row: row?.byteLength ?? null };
  const before = decode(file);
  const after = decode(row);
  if (before === null || after === null) return { ...sizes, binary: true, diff: null };
  const names = [file === null ? '/dev/null' : `a/${path}`, row === null ? '/dev/null' : `b/${path}`] as const;
  const options = { context: 3, headerOptions: FILE_HEADERS_ONLY, timeout: TIMEOUT };
  return { ...sizes, binary: false, diff: createTwoFilesPatch(...names, before, after, 'file', 'row', options) ?? null };
}

/** @param escaped whether control characters are made visible: for a terminal, not for a file or pipe */
export function renderDiff({ path, file, row, binary, diff }: TextDiff, style: Style, { escaped }: { escaped: boolean }): string {
  if (diff === null) {
    const size = (bytes: number | null): string => (bytes === null ? 'absent' : `${bytes} bytes`);
    return `${binary ? 'Binary texts' : 'Texts too different to compare'}: ${printable(path)} (file ${size(file)}, row ${size(row)})\n`;
  }
  if (!escaped) return diff;
  return diff
    .split('\n')
    .map((line) => color(printable(line), style))
    .join('\n');
}

/** Colours one line of a unified diff. */
export function color(line: string, style: Style): string {
  if (line.startsWith('+++') || line.startsWith('---')) return style.strong(line);
  if (line.startsWith('@@')) return style.code(line);
  if (line.startsWith('+')) return style.good(line);
  return line.startsWith('-') ? style.error(line) : line;
}

function decode(bytes: Uint8Array | null): string | null {
  if (bytes === null) return '';
  if (bytes.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Not UTF-8, so not a text.
    return null;
  }
}
