import type { Session } from '../store/store.ts';

/** MyBB 1.8.0, the lowest this preset knows; a template of an unknown version then counts as outdated rather than as newer. */
const oldest = '1800';

/**
 * The version to stamp on a template: that of the installation, else that of the master template with the same title.
 *
 * @param table the templates table with its prefix
 * @param tables the tables the database has
 * @returns the version code, such as "1837", by the title of the template
 */
export async function mybbVersion(
  { sql }: Pick<Session, 'sql'>,
  table: string,
  tables: readonly string[],
): Promise<(title: string) => string> {
  const datacache = table.replace(/templates$/, 'datacache');
  if (tables.includes(datacache)) {
    const [row] = await sql<{ cache: string | Uint8Array | null }>`SELECT cache FROM ${sql.id(datacache)} WHERE title = ${'version'}`;
    const code = versionCode(text(row?.cache));
    if (code !== null) return () => code;
  }
  const masters = await sql<{
    title: string;
    version: string | number | bigint | null;
  }>`SELECT title, version FROM ${sql.id(table)} WHERE sid = ${-2}`;
  const versions = new Map(masters.map(({ title, version }) => [text(title), String(version ?? '')]));
  return (title) => versions.get(title) || oldest;
}

/** Reads the code from the PHP-serialized array MyBB keeps (update_version() in inc/class_datacache.php); null where it has none. */
export function versionCode(serialized: string): string | null {
  return (
    /s:12:"version_code";(?:i:(\d+);|s:\d+:"(\d+)";)/
      .exec(serialized)
      ?.slice(1)
      .find((code) => code !== undefined) ?? null
  );
}

function text(value: string | Uint8Array | null | undefined): string {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : (value ?? '');
}
