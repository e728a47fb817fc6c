/** The directory a path lies in; `''` for the top. */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}

/** The last segment of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Things by the directory their path lies in, so that each directory is opened once. */
export function groupByDir<T>(things: Iterable<T>, pathOf: (thing: T) => string): Map<string, T[]> {
  return Map.groupBy(things, (thing) => directoryOf(pathOf(thing)));
}
