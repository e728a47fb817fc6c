import { runGit } from './command.ts';
import { callStub } from './hooks-block.ts';
import { hookNames, type HookName } from './hooks-names.ts';
import type { Repository } from './repository.ts';

/** Whether this git runs hooks from its configuration (`hook.<name>.command`): 2.54 and newer. Takes the output of `git version`. */
export function hasConfigHooks(version: string): boolean {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 54);
}

/** `hook.<this>`; git refuses the plain name of an event. */
export function sectionOf(hook: HookName): string {
  return `sync-run-${hook}`;
}

/** git appends `"$@"` and gives it to a shell, so the last word must be a command. */
export function configCommand(hook: HookName): string {
  return `sync_run_hook() {\n${callStub(hook)}}\nsync_run_hook`;
}

export async function gitVersion(repo: Pick<Repository, 'top' | 'env'>): Promise<string> {
  return (await runGit({ cwd: repo.top, env: repo.env, args: ['version'] })).stdout;
}

/** The commands of our sections in the repository's own configuration. */
export async function readConfigHooks(repo: Pick<Repository, 'top' | 'env'>): Promise<Map<HookName, string>> {
  const args = ['config', '--local', '--null', '--get-regexp', '^hook\\.sync-run-.*\\.command$'];
  const { stdout } = await runGit({ cwd: repo.top, env: repo.env, args, answers: [1] });
  const commands = new Map<HookName, string>();
  for (const entry of stdout.split('\0')) {
    const newline = entry.indexOf('\n');
    const hook = hookNames.find((name) => entry.slice(0, newline) === `hook.${sectionOf(name)}.command`);
    if (hook) commands.set(hook, entry.slice(newline + 1));
  }
  return commands;
}

export async function writeConfigHook(repo: Pick<Repository, 'top' | 'env'>, hook: HookName): Promise<void> {
  const set = async (key: string, value: string) => {
    const args = ['config', '--local', '--replace-all', `hook.${sectionOf(hook)}.${key}`, value];
    await runGit({ cwd: repo.top, env: repo.env, args });
  };
  await set('command', configCommand(hook));
  await set('event', hook);
}

export async function removeConfigHook(repo: Pick<Repository, 'top' | 'env'>, hook: HookName): Promise<void> {
  await runGit({ cwd: repo.top, env: repo.env, args: ['config', '--local', '--remove-section', `hook.${sectionOf(hook)}`] });
}
