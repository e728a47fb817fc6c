import { writeFile } from 'node:fs/promises';
import { checkMappings } from '../../config/check.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { configFileName } from '../../config/schema.ts';
import { SyncError } from '../../core/errors.ts';
import type { HookPlace } from '../../git/hooks-names.ts';
import { openRepository, type Repository } from '../../git/repository.ts';
import type { Context } from '../../runner/context.ts';
import type { Report } from '../../runner/report.ts';
import { defaultRequest } from '../../runner/request.ts';
import { checkIdentity, checkTarget, prepareTarget } from '../../runner/target.ts';
import { openState } from '../../state/open.ts';
import { readUrl, writeUrl } from '../../state/secrets.ts';
import type { State } from '../../state/state.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import { confirm } from '../ask.ts';
import type { Call, Result } from '../call.ts';
import { performAsking } from '../consent.ts';
import { proposeAttributesLine } from '../init/attributes.ts';
import { chooseConfig, type ConfigOptions } from '../init/choose-config.ts';
import { chooseUrl } from '../init/choose-url.ts';
import { forgetTarget } from '../init/new-target.ts';
import { renderHooks } from '../render/hooks.ts';
import { printable } from '../render/printable.ts';
import { createProgress } from '../render/progress.ts';
import { renderReport, reportDocument, reportExit } from '../render/report.ts';
import { installHooks } from './hooks.ts';

export interface InitOptions extends ConfigOptions {
  url?: string;
  /** False with `--no-hooks`. */
  hooks: boolean;
  /** False with `--no-run`. */
  run: boolean;
  newTarget?: boolean;
  lockTimeout?: number;
}

/** Sets a working tree up. Nothing is written before the database has answered and fits; a second time changes nothing. */
export async function initCommand(call: Call<InitOptions>): Promise<Result> {
  const { terminal, options, json } = call;
  const asking = terminal.interactive && !json && !options.yes;
  const repository = await openRepository(terminal.cwd, terminal.env);
  const { config, text } = await chooseConfig(repository.top, options, terminal, asking);
  const url = await chooseUrl(options.url, repository.statePath, terminal, asking);
  const store = await openStore(url, repository.top, terminal.signal);
  try {
    const { mappings, warnings } = await checkMappings(config.mappings, store);
    if (!options.newTarget) await refuseOtherTarget(repository, store);
    await agree(call, { config, isNew: text !== null, server: (await store.identity()).server, warnings, asking });
    if (text !== null) await writeConfig(config.path, text);
    if ((await readUrl(repository.statePath)) !== url) await writeUrl(repository.statePath, url);
    const state = await openState(repository.statePath, { mode: 'write' });
    const progress = createProgress(terminal, { quiet: json });
    try {
      const { signal } = terminal;
      const context: Context = { repository, config, mappings, state, store, now: Date.now, signal, progress: progress.report };
      return await setUp(call, context, asking);
    } finally {
      progress.stop();
      await state.close();
    }
  } finally {
    await store.close();
  }
}

async function setUp(call: Call<InitOptions>, context: Context, asking: boolean): Promise<Result> {
  const { options, terminal, style, say } = call;
  const { repository, config, state, store } = context;
  if (!(await state.trusted()).has(config.digest)) await state.trust(config.digest, config.canonical, Date.now());
  const lockTimeout = options.lockTimeout ?? defaultRequest.lockTimeout;
  if (options.newTarget) await forgetTarget(context, { lockTimeout });
  const prepared = await prepare(call, state, store);
  const attributes = await applyAttributes(call, repository.top, config.root, asking);
  const hooks =
    options.hooks && (!asking || (await confirm(terminal, 'Install the git hooks?')))
      ? await installHooks(repository, terminal, config.root)
      : [];
  if (hooks.length > 0) say(['Git hooks:', ...renderHooks(hooks, repository.top, style)].join('\n'));
  if (!options.run) return withoutRun(context, { prepared, attributes, hooks });
  const report = await firstRun(call, context, prepared, lockTimeout);
  return { exit: reportExit(report), document: reportDocument(report), text: renderReport(report, style) };
}

/** Reads only, so that a refusal leaves nothing behind. */
async function refuseOtherTarget({ statePath }: Repository, store: Store): Promise<void> {
  const state = await openState(statePath, { mode: 'read' });
  try {
    await ((await state.intent()) ? checkIdentity : checkTarget)({ state, store });
  } finally {
    await state.close();
  }
}

interface Proposal {
  config: LoadedConfig;
  isNew: boolean;
  server: string;
  warnings: string[];
  asking: boolean;
}

/** Shows what is about to be trusted and used. */
async function agree({ terminal, style, say }: Call<InitOptions>, { config, isNew, server, warnings, asking }: Proposal): Promise<void> {
  say(`${style.strong(configFileName)}${isNew ? ', to be written' : ''}:`);
  say(printable(config.canonical.trimEnd()).replace(/^/gm, '  '));
  say(`Database: ${printable(server)}`);
  for (const warning of warnings) terminal.err(`${style.warning('Warning:')} ${printable(warning)}\n`);
  if (asking && !(await confirm(terminal, isNew ? 'Write and trust this configuration?' : 'Trust this configuration?'))) {
    throw new SyncError('UNTRUSTED', 'The configuration was not trusted; nothing was written', {
      hint: `Edit "${configFileName}", then: npx sync-run init`,
    });
  }
}

async function writeConfig(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { flag: 'wx' });
  } catch (cause) {
    throw new SyncError('IO', `Writing "${path}" failed: ${(cause as Error).message}`, { cause });
  }
}

/** Without the right to make a table the rows cannot be written, but files can. */
async function prepare({ terminal, style }: Call<InitOptions>, state: State, store: Store): Promise<boolean> {
  try {
    await prepareTarget({ state, store });
    return true;
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== 'DATABASE') throw error;
    terminal.err(
      `${style.warning('Warning:')} ${printable(error.message)}. Rows can be exported, but not written: that needs the table "sync_run_tree". ` +
        'Grant CREATE, SELECT, INSERT and UPDATE on it, then run "npx sync-run init" again\n',
    );
    return false;
  }
}

async function applyAttributes(
  { terminal, options, say }: Call<InitOptions>,
  top: string,
  root: string,
  asking: boolean,
): Promise<'present' | 'added' | 'proposed'> {
  const proposal = await proposeAttributesLine(top, root);
  if (!proposal) return 'present';
  const { line, canApply, apply } = proposal;
  const wanted =
    canApply && (options.yes || (asking && (await confirm(terminal, `Add "${line}" to .gitattributes, so that git changes no bytes?`))));
  if (!wanted) {
    say(`Add this line to .gitattributes, so that git changes no bytes of the files: ${line}`);
    return 'proposed';
  }
  await apply();
  say(`Added to .gitattributes: ${line}`);
  return 'added';
}

function firstRun(call: Call<InitOptions>, context: Context, prepared: boolean, lockTimeout: number): Promise<Report> {
  const direction = prepared ? 'sync' : 'export';
  return performAsking(call, context, {
    kind: 'run',
    command: direction,
    direction,
    paths: null,
    prefer: null,
    dryRun: false,
    allowMassChange: false,
    lockTimeout,
  });
}

async function withoutRun(
  { config, store, repository }: Context,
  { prepared, attributes, hooks }: { prepared: boolean; attributes: string; hooks: HookPlace[] },
): Promise<Result> {
  const { server } = await store.identity();
  const document = { command: 'init', config: config.path, state: repository.statePath, target: server, prepared, attributes, hooks };
  return { exit: 0, document, text: 'Set up. The first sync is still to come: npx sync-run sync\n' };
}
