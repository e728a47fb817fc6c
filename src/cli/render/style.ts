import { styleText } from 'node:util';

type Paint = (text: string) => string;

/** What a colour means, so that all commands use them alike. */
export interface Style {
  /** A headline. */
  strong: Paint;
  /** Something to type, or a path. */
  code: Paint;
  good: Paint;
  warning: Paint;
  error: Paint;
  /** What may be skipped when reading. */
  faint: Paint;
}

/** Colours where the stream is a terminal that has them; else every text stays as it is. */
export function createStyle(colored: boolean): Style {
  const paint =
    (format: Parameters<typeof styleText>[0]): Paint =>
    (text) =>
      colored ? styleText(format, text, { validateStream: false }) : text;
  return {
    strong: paint('bold'),
    code: paint('cyan'),
    good: paint('green'),
    warning: paint('yellow'),
    error: paint('red'),
    faint: paint('dim'),
  };
}
