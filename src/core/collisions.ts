import { INVISIBLE } from './safe-path.ts';

/** A name some path leads through, folded: how it is spelled, and whether two different things have it. */
interface Name {
  spelling: string;
  directory: boolean;
  clash: boolean;
}

const invisible = new RegExp(`[${INVISIBLE}]`, 'gu');

/**
 * Groups of different paths that are, or lead through, the same name on some file system: equal but for case, Unicode
 * form or compatible characters (`Straße/x`, `STRASSE/y`), or a file where another path needs a directory.
 * All twins are in their group, in the order given; a path is in one group at most.
 */
export function findCollisions(paths: Iterable<string>): string[][] {
  const names = new Map<string, Name>();
  const folder = createFolder();
  const distinct = new Set(paths);
  for (const path of distinct) {
    for (const { spelling, folded, directory } of folder(path)) {
      const name = names.get(folded);
      if (!name) names.set(folded, { spelling, directory, clash: false });
      else if (name.spelling !== spelling || name.directory !== directory) name.clash = true;
    }
  }
  if (![...names.values()].some((name) => name.clash)) return [];
  const groups = new Map<string, string[]>();
  for (const path of distinct) {
    const shared = folder(path).find(({ folded }) => names.get(folded)?.clash);
    if (!shared) continue;
    const group = groups.get(shared.folded);
    if (group) group.push(path);
    else groups.set(shared.folded, [path]);
  }
  return [...groups.values()];
}

interface Prefix {
  spelling: string;
  folded: string;
  directory: boolean;
}

/** The names a path leads through, outermost first, itself last. Directories are folded once. */
function createFolder(): (path: string) => Prefix[] {
  const directories = new Map<string, Prefix[]>([['', []]]);
  const prefixes = (path: string, directory: boolean): Prefix[] => {
    const slash = path.lastIndexOf('/');
    const above = parents(slash < 0 ? '' : path.slice(0, slash));
    // NUL and not "/", since U+FF0F folds to "/".
    const folded = `${above.at(-1)?.folded ?? ''}\0${fold(path.slice(slash + 1))}`;
    return [...above, { spelling: path, folded, directory }];
  };
  const parents = (path: string): Prefix[] => {
    let known = directories.get(path);
    if (!known) directories.set(path, (known = prefixes(path, true)));
    return known;
  };
  return (path) => prefixes(path, false);
}

/** A name without what some file system takes as the same: NFKC and full case folding. */
export function fold(name: string): string {
  if (/^[\0-\x7F]*$/.test(name)) return name.toLowerCase();
  const plain = name.replace(invisible, '').normalize('NFKC');
  // Unicode folds the dotless i to itself; toUpperCase would make it an I.
  return plain.split('ı').map(foldCase).join('ı').normalize('NFKC');
}

/** Lower first for U+1E9E, whose upper case is itself; upper for what grows (ß to SS). */
function foldCase(text: string): string {
  return text.toLowerCase().toUpperCase().toLowerCase();
}
