import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { proposeAttributes } from '../../config/gitattributes.ts';
import { type LoadedConfig, loadConfig } from '../../config/load.ts';
import { examplePath } from '../../core/pattern.ts';
import { convertiblePaths } from '../../git/attributes.ts';
import { childEnvironment } from '../../git/environment.ts';
import { gitVersion } from '../../git/hooks-config.ts';
import { hooksStatus } from '../../git/hooks-plan.ts';
import { openRepository, type Repository } from '../../git/repository.ts';
import { presets } from '../../runner/presets.ts';
import { requireTrust } from '../../runner/open-context.ts';
import { readPause } from '../../runner/pause.ts';
import { openState } from '../../state/open.ts';
import { lockHolder } from '../../state/lock.ts';
import type { State } from '../../state/state.ts';
import { readIfThere } from '../read-if-there.ts';
import type { Terminal } from '../terminal.ts';
import type { Checklist } from './checklist.ts';

export interface Tree {
  repository: Repository;
  config: LoadedConfig | null;
}

const MINIMUM_GIT = [2, 31] as const;

/** Everything that lies on this machine; null outside of a repository. */
export async function checkTree(list: Checklist, terminal: Terminal): Promise<Tree | null> {
  await list.look('git', () => checkGit(list, terminal));
  const repository = await list.look('repository', () => openRepository(terminal.cwd, terminal.env));
  if (!repository) return null;
  list.add('repository', { message: `${repository.top}${repository.isLinkedWorktree ? ' (a linked worktree)' : ''}` });
  const config = await list.look('configuration', () => loadConfig(repository.top, presets));
  if (config)
    list.add('configuration', { message: `"sync-run.config.json" is valid: ${config.mappings.map(({ name }) => name).join(', ')}` });
  await list.look('state', () => checkState(list, repository, config));
  await list.look('hooks', () => checkHooks(list, repository));
  if (config) await list.look('attributes', () => checkAttributes(list, repository, config));
  return { repository, config };
}

async function checkGit(list: Checklist, { cwd, env }: Terminal): Promise<void> {
  const version = (await gitVersion({ top: cwd, env: childEnvironment(env) })).trim();
  const [, major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  const fits = major > MINIMUM_GIT[0] || (major === MINIMUM_GIT[0] && minor >= MINIMUM_GIT[1]);
  list.add(
    'git',
    fits ? { message: version } : { status: 'failed', message: version, remedy: `Install git ${MINIMUM_GIT.join('.')} or newer` },
  );
}

async function checkState(list: Checklist, { statePath }: Repository, config: LoadedConfig | null): Promise<void> {
  const folder = await lstat(statePath).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (!folder) {
    list.add('state', { status: 'failed', message: 'This working tree has not been set up', remedy: 'npx sync-run init' });
    return;
  }
  const open = process.platform !== 'win32' && (folder.mode & 0o077) !== 0;
  list.add('state', {
    message: `"${statePath}"${open ? ' can be entered by other users' : ''}`,
    ...(open && { status: 'failed' as const, remedy: `chmod 700 "${statePath}"` }),
  });
  const state = await openState(statePath, { mode: 'read' });
  try {
    if (config) await list.look('trust', () => checkTrust(list, state, config));
    await checkPending(list, state);
  } finally {
    await state.close();
  }
  const pause = await readPause(statePath);
  if (pause) list.add('pause', { status: 'warning', message: `Paused by ${pause.who}: ${pause.why}`, remedy: 'npx sync-run resume' });
  const holder = await lockHolder(statePath);
  if (holder) list.add('lock', { message: `Held by process ${holder.pid ?? 'unknown'}${holder.command ? ` ("${holder.command}")` : ''}` });
}

async function checkTrust(list: Checklist, state: State, config: LoadedConfig): Promise<void> {
  await requireTrust(state, config.digest);
  list.add('trust', { message: 'The configuration is trusted here' });
}

async function checkPending(list: Checklist, state: State): Promise<void> {
  const pending = await state.intent();
  if (!pending) return;
  list.add('batch', {
    status: 'failed',
    message: `The batch ${pending.txid.slice(0, 8)} (${pending.command}) was cut short`,
    remedy: 'npx sync-run sync finishes it, or takes it back',
  });
}

async function checkHooks(list: Checklist, repository: Repository): Promise<void> {
  const places = await hooksStatus(repository);
  const off = places.filter(({ state }) => state !== 'installed');
  if (off.length === 0) {
    list.add('hooks', { message: 'All git hooks are installed' });
    return;
  }
  const lines = off.map(({ hook, state, note }) => `${hook}: ${state === 'missing' ? 'not installed' : state}${note ? ` (${note})` : ''}`);
  // Doing without hooks is a choice; a hook that is there and does not work is none.
  const status = off.every(({ state }) => state === 'missing') ? 'warning' : 'failed';
  list.add('hooks', { status, message: ['Not all git hooks work:', ...lines].join('\n'), remedy: 'npx sync-run hooks install' });
}

async function checkAttributes(list: Checklist, repository: Repository, { root, mappings }: LoadedConfig): Promise<void> {
  const examples = mappings.map(({ pattern }) => `${root}/${examplePath(pattern)}`);
  const [path] = await convertiblePaths(repository, root, examples);
  if (path === undefined) {
    list.add('attributes', { message: 'git changes no bytes of the mapped files' });
    return;
  }
  const missing = proposeAttributes(root, await readIfThere(join(repository.top, '.gitattributes')));
  list.add('attributes', {
    status: 'warning',
    message: `git may change newlines in the mapped files, such as "${path}"`,
    remedy:
      missing === null
        ? 'A later line of .gitattributes, or one deeper in the tree, overrides the line of sync-run: let it leave out the mapped files'
        : `Add this line to .gitattributes: ${missing}`,
  });
}
