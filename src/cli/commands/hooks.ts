import { loadConfig } from '../../config/load.ts';
import { applyHooks, removeHooks } from '../../git/hooks-apply.ts';
import type { HookPlace } from '../../git/hooks-names.ts';
import { hooksStatus, planHooks } from '../../git/hooks-plan.ts';
import { entryPath } from '../../git/hooks-stub.ts';
import { openRepository, type Repository } from '../../git/repository.ts';
import { presets } from '../../runner/presets.ts';
import { requireTrust } from '../../runner/open-context.ts';
import { openState } from '../../state/open.ts';
import type { Call, Result } from '../call.ts';
import { counted } from '../render/list.ts';
import { renderHooks } from '../render/hooks.ts';
import type { Terminal } from '../terminal.ts';

/** Adds our part to the hooks; what cannot be added without harm is printed, to be added by hand. */
export async function hooksInstallCommand(call: Call): Promise<Result> {
  const { terminal } = call;
  const repository = await openRepository(terminal.cwd, terminal.env);
  const config = await loadConfig(repository.top, presets);
  const state = await openState(repository.statePath, { mode: 'read' });
  try {
    await requireTrust(state, config.digest);
  } finally {
    await state.close();
  }
  return result(call, repository, await installHooks(repository, terminal, config.root));
}

/** How the hooks stand; a hook that does not work needs a person. */
export async function hooksStatusCommand(call: Call): Promise<Result> {
  const repository = await openRepository(call.terminal.cwd, call.terminal.env);
  return result(call, repository, await hooksStatus(repository));
}

/** Takes our part out again. */
export async function hooksRemoveCommand({ terminal }: Call): Promise<Result> {
  const repository = await openRepository(terminal.cwd, terminal.env);
  const changed = await removeHooks(repository);
  const text =
    changed.length > 0
      ? `Removed from ${counted(changed.length, 'place')}:\n${changed.map((place) => `  ${place}\n`).join('')}`
      : 'There was nothing to remove\n';
  return { exit: 0, document: { removed: changed }, text };
}

/** @returns how the hooks stand afterwards */
export async function installHooks(repository: Repository, { runtime }: Pick<Terminal, 'runtime'>, root: string): Promise<HookPlace[]> {
  const plan = await planHooks(repository, { runtime: runtime.command[0], entry: entryPath(), root });
  await applyHooks(repository, plan);
  const now = await hooksStatus(repository);
  // The plan alone knows the lines to add by hand.
  return now.map((place) => (place.state === 'manual' ? (plan.places.find(({ hook }) => hook === place.hook) ?? place) : place));
}

function result({ style }: Call, { top }: Repository, places: HookPlace[]): Result {
  const exit = places.every(({ state }) => state === 'installed') ? 0 : 1;
  return { exit, document: { hooks: places }, text: `${renderHooks(places, top, style).join('\n')}\n` };
}
