import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { callStub } from './hooks-block.ts';
import type { HookName } from './hooks-names.ts';

/**
 * A job in `lefthook-local.yml`, written as text between marks: lefthook merges that file into its configuration, and
 * a YAML library would not keep the comments and layout of what is there.
 */
export function lefthookJob(hook: HookName): string {
  const script = callStub(hook, '{0}').replace(/^(?=.)/gm, '        ');
  return `# >>> sync-run ${hook}
${hook}:
  commands:
    sync-run:
      run: |
${script}# <<< sync-run ${hook}
`;
}

/** `text` with an up-to-date job for `hook`; null if that would need an edit inside of what somebody else wrote. */
export function withJob(text: string, hook: HookName): string | null {
  const old = findJob(text, hook);
  if (old) return text.slice(0, old.from) + lefthookJob(hook) + text.slice(old.to);
  const key = new RegExp(`^(?:["']?)${hook}(?:["']?)\\s*:`, 'm');
  // A flow mapping or a second document cannot be continued at the end of the file.
  if (key.test(text) || /^(?:\{|\.\.\.|---)/m.test(text) || (text !== '' && !text.endsWith('\n'))) return null;
  return text + lefthookJob(hook);
}

/** `text` as it was before the job of `hook`. */
export function withoutJob(text: string, hook: HookName): string {
  const old = findJob(text, hook);
  return old ? text.slice(0, old.from) + text.slice(old.to) : text;
}

export function hasJob(text: string, hook: HookName): boolean {
  return findJob(text, hook) !== null;
}

/** The YAML configuration of this tree and the local one that belongs to it; null where there is another kind. */
export async function lefthookFiles(top: string): Promise<{ main: string | null; local: string | null }> {
  const names = await readdir(top);
  const main = ['lefthook.yml', 'lefthook.yaml', '.lefthook.yml', '.lefthook.yaml'].find((name) => names.includes(name));
  if (main === undefined) return { main: null, local: null };
  const local = main.replace('lefthook.', 'lefthook-local.');
  const others = names.some((name) => /^\.?lefthook-local\./.test(name) && name !== local);
  return { main: join(top, main), local: others ? null : join(top, local) };
}

function findJob(text: string, hook: HookName): { from: number; to: number } | null {
  const from = text.search(new RegExp(`^# >>> sync-run ${hook}$`, 'm'));
  const last = `# <<< sync-run ${hook}\n`;
  const at = from < 0 ? -1 : text.indexOf(last, from);
  return at < 0 ? null : { from, to: at + last.length };
}
