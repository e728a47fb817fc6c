import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff';
import { loadConfig } from '../../config/load.ts';
import { SyncError } from '../../core/errors.ts';
import { openRepository } from '../../git/repository.ts';
import { presets } from '../../runner/presets.ts';
import { tellStubOnce } from '../../runner/stub-facts.ts';
import { openState } from '../../state/open.ts';
import { confirm } from '../ask.ts';
import type { Call, Result } from '../call.ts';
import { color } from '../render/diff.ts';
import { printable } from '../render/printable.ts';

/** Allows the configuration of the tree, after showing what is new in it. */
export async function trustCommand({ terminal, json, options, style, say }: Call<{ yes?: boolean }>): Promise<Result> {
  const repository = await openRepository(terminal.cwd, terminal.env);
  const config = await loadConfig(repository.top, presets);
  const { canonical, digest } = config;
  const before = await openState(repository.statePath, { mode: 'read' });
  let known: boolean;
  let last: string | null;
  try {
    known = (await before.trusted()).has(digest);
    last = await before.lastTrusted();
  } finally {
    await before.close();
  }
  const document = { command: 'trust', digest, trusted: true, changed: !known };
  // Trusting again makes it the one the next change is compared with.
  if (known && last === canonical) return { exit: 0, document, text: 'This configuration is trusted already\n' };

  for (const line of newLines(last, canonical)) say(color(printable(line), style));
  if (!options.yes && !(terminal.interactive && !json && (await confirm(terminal, 'Trust this configuration here?', { initial: false })))) {
    throw new SyncError('UNTRUSTED', 'The configuration was not trusted', { hint: 'Once you have looked at it: npx sync-run trust --yes' });
  }
  const state = await openState(repository.statePath, { mode: 'write' });
  try {
    await state.trust(digest, canonical, Date.now());
    // Else a commit below a new root would start no hook before the next run.
    await tellStubOnce({ state, config }, null);
  } finally {
    await state.close();
  }
  return { exit: 0, document, text: `${style.good('Trusted')} in this working tree\n` };
}

/** What is new compared with what was trusted last; the whole configuration where there was nothing. */
function newLines(last: string | null, canonical: string): string[] {
  const options = { context: 3, headerOptions: FILE_HEADERS_ONLY };
  const patch = createTwoFilesPatch(
    last === null ? '/dev/null' : 'a/sync-run.config.json',
    'b/sync-run.config.json',
    ended(last ?? ''),
    ended(canonical),
    'trusted',
    'now',
    options,
  );
  return patch.trimEnd().split('\n');
}

function ended(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
