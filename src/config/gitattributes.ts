/**
 * The line `.gitattributes` at the top needs so that git changes no bytes of the files below `root`; null if it is there already.
 *
 * @param existing what the file holds now, null where there is none
 */
export function proposeAttributes(root: string, existing: string | null): string | null {
  const line = `${quoted(`${escaped(root)}/**`)} -text`;
  return (existing ?? '').split(/\r?\n/).some((present) => present.trim() === line) ? null : line;
}

/** What a glob would read as a wildcard is meant as it stands, as is a leading "!" or "#". */
function escaped(root: string): string {
  return root.replace(/[[\]?*\\]/g, '\\$&').replace(/^[!#]/, '\\$&');
}

/** Git ends a pattern at a space unless it is quoted as a C string (gitattributes(5)). */
function quoted(pattern: string): string {
  return /[\s"]/.test(pattern) ? `"${pattern.replace(/[\\"]/g, '\\$&')}"` : pattern;
}
