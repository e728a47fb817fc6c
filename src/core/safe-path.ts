import { isDeviceName } from './device-name.ts';

/** How every file name starts that sync-run makes for itself in the working tree. */
export const OWN_PREFIX = '.sync-run-';

/** Characters that are invisible or change the reading direction; file systems may ignore them when they compare names. */
export const INVISIBLE =
  '\\u00AD\\u034F\\u061C\\u115F-\\u1160\\u17B4-\\u17B5\\u180B-\\u180F\\u200B-\\u200F\\u2028-\\u202E\\u2060-\\u206F\\u3164' +
  '\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFF8\\u{1BCA0}-\\u{1BCA3}\\u{1D173}-\\u{1D17A}\\u{E0000}-\\u{E0FFF}';

const invisible = new RegExp(`[${INVISIBLE}]`, 'gu');

/** Names git reads from the work tree, each with the prefix of its NTFS fall-back short name (git: `is_ntfs_dot_generic` in path.c). */
const GIT_FILES = [
  { name: 'gitmodules', short: 'gi7eba' },
  { name: 'gitignore', short: 'gi250a' },
  { name: 'gitattributes', short: 'gi7d29' },
  { name: 'mailmap', short: 'maba30' },
].map(({ name, short }) => ({
  name,
  short: new RegExp(`^(?:${name.slice(0, 6)}~[1-4]|${short}~[1-9]|${shortForms(short)})[ .]*(?::|$)`, 'i'),
}));

/**
 * Judges a `/`-separated relative path as git's `verify_path` does (read-cache.c), with the rules of all platforms on everywhere.
 *
 * @returns why the path must not be written, in words that follow the quoted path, or null where it is harmless
 */
export function checkPath(path: string): string | null {
  if (path === '') return 'is empty';
  if (!path.isWellFormed()) return 'holds half of a surrogate pair';
  for (const segment of path.split('/')) {
    const reason = checkSegment(segment);
    if (reason !== null) return reason;
  }
  return null;
}

function checkSegment(segment: string): string | null {
  if (segment === '') return 'has an empty segment';
  if (segment === '.' || segment === '..') return `has the segment "${segment}"`;
  if (/\p{Cc}/u.test(segment)) return 'has a control character';
  const character = /[\\:*?"<>|]/.exec(segment);
  if (character) return `has the character ${character[0] === '"' ? "'\"'" : `"${character[0]}"`}`;
  if (/[. ]$/.test(segment)) return 'has a segment that ends in a space or a dot';
  if (segment.startsWith('~')) return 'has a segment that starts with "~"';
  if (isDeviceName(segment)) return `has the device name "${segment}"`;
  return checkReserved(segment);
}

function checkReserved(segment: string): string | null {
  // HFS+ ignores invisible characters when it looks up a name (git: `is_hfs_dot_generic` in utf8.c).
  const seen = segment
    .replace(invisible, '')
    .replace(/[. ]+$/, '')
    .toLowerCase();
  if (seen === '.git' || seen === 'git~1') return `has the segment "${segment}", which git keeps for itself`;
  if (seen.startsWith(OWN_PREFIX)) return `has the segment "${segment}", which sync-run keeps for itself`;
  for (const file of GIT_FILES) {
    if (seen === `.${file.name}` || file.short.test(seen)) return `has the segment "${segment}", which git would read`;
  }
  return null;
}

/** Eight characters: a part of the prefix, `~` and digits that do not start with 0, e.g. `gi7eb~12`. */
function shortForms(prefix: string): string {
  return [5, 4, 3, 2, 1, 0].map((kept) => `${prefix.slice(0, kept)}~[1-9][0-9]{${6 - kept}}`).join('|');
}
