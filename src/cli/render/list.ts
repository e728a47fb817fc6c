/** How many things of one kind are named; more scroll away unread. */
const SHOWN = 20;

/** One line per thing, indented; of many only the first, and how many more there are. */
export function list<T>(things: readonly T[], line: (thing: T) => string, shown: number = SHOWN): string[] {
  const lines = things.slice(0, shown).map((thing) => `  ${line(thing)}`);
  return things.length > shown ? [...lines, `  … and ${things.length - shown} more`] : lines;
}

/** "1 file", "2 files". */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`;
}

/** A word of a shell command. */
export function shellWord(text: string): string {
  return /^[\w./@:=+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
