export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that say where git finds its own configuration and where it stops looking; they name no repository. */
export const keptVariables = [
  'GIT_CONFIG_GLOBAL',
  'GIT_CONFIG_SYSTEM',
  'GIT_CONFIG_NOSYSTEM',
  'GIT_CEILING_DIRECTORIES',
  'GIT_DISCOVERY_ACROSS_FILESYSTEM',
] as const;

/** Names simple-git refuses in an environment it is given (its `isGitEnvKey`), besides everything that starts with `GIT_`. */
const refused = new Set(['EDITOR', 'PAGER', 'PREFIX', 'SSH_ASKPASS', 'VISUAL']);

/**
 * The environment for a git child: what was inherited, without the `GIT_*` that a hook of another repository or worktree
 * would point it elsewhere with (`GIT_DIR`, `GIT_INDEX_FILE`, …), and with `SYNC_RUN_HOOK=1` so that hooks it fires end at once.
 */
export function childEnvironment(inherited: Environment): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(inherited)) {
    const key = name.toUpperCase();
    const kept = (keptVariables as readonly string[]).includes(key);
    if (value !== undefined && (kept || (!key.startsWith('GIT_') && !refused.has(key)))) env[name] = value;
  }
  // Messages of git are matched in English.
  return { ...env, SYNC_RUN_HOOK: '1', LC_ALL: 'C' };
}
