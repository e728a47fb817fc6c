type Sqlite = typeof import('node:sqlite');

let loading: Promise<Sqlite> | null = null;

/**
 * Loads `node:sqlite` without the ExperimentalWarning that Node 22 prints for it; every other warning passes.
 * The module must not be imported statically anywhere, since that would warn before this filter is in place.
 */
export function loadSqlite(): Promise<Sqlite> {
  return (loading ??= load());
}

/** Once only: of two calls at once, one would restore the filter of the other. */
async function load(): Promise<Sqlite> {
  const emitWarning = process.emitWarning;
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    const text = typeof warning === 'string' ? warning : warning.message;
    if (text.startsWith('SQLite is an experimental feature')) return;
    emitWarning.call(process, warning, ...rest);
  }) as typeof process.emitWarning;
  try {
    return await import('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}
