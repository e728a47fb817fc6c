/** The hooks sync-run takes part in. git gives them arguments; none is relied on (design §5). */
export const hookNames = ['pre-commit', 'post-checkout', 'post-merge', 'post-rewrite'] as const;

export type HookName = (typeof hookNames)[number];

/**
 * Whose file a hook is, and so where our part of it goes:
 * - `file`: a script git runs itself; a block after its first line, so that an early `exit` or `exec` does not skip it
 * - `husky`: a script husky 9 runs; a block at its end
 * - `pre-commit`: a script the pre-commit framework generated; a block in `<hook>.legacy`, which the framework runs first
 * - `lefthook`: a script lefthook generated; a job in `lefthook-local.yml`, which lefthook merges into its configuration
 * - `config`: hooks that git itself keeps in its configuration (git 2.54 and newer)
 */
export type HookWay = 'file' | 'husky' | 'pre-commit' | 'lefthook' | 'config';

/** `manual`: it cannot be added without harm; the plan says why and what to add by hand. */
export type HookState = 'installed' | 'missing' | 'outdated' | 'manual';

export interface HookPlace {
  hook: HookName;
  way: HookWay;
  state: HookState;
  /** The absolute path of the file our part is in or goes to; for `config` the section's name. */
  where: string;
  /** For people: why it is manual or outdated, or what they should know. */
  note?: string;
  /** For `manual`: the lines to add. */
  lines?: string;
}
