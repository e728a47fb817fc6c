import { join } from 'node:path';
import { type LoadedConfig, loadConfig } from '../../config/load.ts';
import { parseConfig } from '../../config/parse.ts';
import { type ConfigInput, configFileName } from '../../config/schema.ts';
import { SyncError } from '../../core/errors.ts';
import { presets } from '../../runner/presets.ts';
import { askText, choose } from '../ask.ts';
import { readIfThere } from '../read-if-there.ts';
import type { Terminal } from '../terminal.ts';

export interface ConfigOptions {
  yes?: boolean;
  preset?: 'mybb';
  prefix?: string;
  root?: string;
}

export interface ChosenConfig {
  config: LoadedConfig;
  /** What is to be written; null where the file is there already. */
  text: string | null;
}

const schema = './node_modules/sync-run/schema.json';

/**
 * The configuration of the tree, or a new one from flags or answers. Writes nothing.
 *
 * @param asking whether questions may be asked
 * @throws {SyncError} `CONFIG` if there is none and none can be made, or it is not valid; `USAGE` if flags contradict the one there is
 */
export async function chooseConfig(top: string, options: ConfigOptions, terminal: Terminal, asking: boolean): Promise<ChosenConfig> {
  const path = join(top, configFileName);
  if ((await readIfThere(path)) !== null) {
    const config = await loadConfig(top, presets);
    refuseContradiction(config, options);
    return { config, text: null };
  }
  const input = inputFromFlags(options) ?? (asking ? await askForInput(terminal, options) : null);
  if (input === null) {
    throw new SyncError('CONFIG', `There is no "${configFileName}" in "${top}", and no preset was named to make one from`, {
      hint: `npx sync-run init --preset mybb, or write "${configFileName}" with your mappings first`,
    });
  }
  const text = `${JSON.stringify({ $schema: schema, ...input }, null, 2)}\n`;
  return { config: { path, ...parseConfig(text, configFileName, presets) }, text };
}

/** Flags that repeat what the file says are fine, so that the same command can be given twice. */
function refuseContradiction({ config }: LoadedConfig, options: ConfigOptions): void {
  for (const key of ['preset', 'prefix', 'root'] as const) {
    if (options[key] === undefined || options[key] === config[key]) continue;
    throw new SyncError('USAGE', `--${key} "${options[key]}" contradicts "${configFileName}", which is there already`, {
      hint: `Edit "${configFileName}", then: npx sync-run init`,
    });
  }
}

function inputFromFlags({ preset, prefix, root }: ConfigOptions): ConfigInput | null {
  if (preset === undefined) {
    if (prefix === undefined) return null;
    throw new SyncError('USAGE', '--prefix has no effect without --preset', { hint: 'npx sync-run init --preset mybb --prefix forum_' });
  }
  return { preset, ...(prefix !== undefined && { prefix }), root: root ?? 'db' };
}

async function askForInput(terminal: Terminal, options: ConfigOptions): Promise<ConfigInput> {
  const kind = await choose(terminal, 'What does the database belong to?', [
    { value: 'mybb', label: 'MyBB 1.8', hint: 'templates and stylesheets' },
    { value: 'other', label: 'Something else', hint: 'name one table now; add more to the file later' },
  ]);
  const root = options.root ?? (await askText(terminal, 'Which folder are the files to live in?', { initial: 'db' }));
  if (kind === 'mybb') {
    const prefix = options.prefix ?? (await askText(terminal, 'What do the table names begin with?', { initial: 'mybb_' }));
    return { preset: 'mybb', prefix, root };
  }
  const table = await askText(terminal, 'Which table holds the texts?', { placeholder: 'pages' });
  const content = await askText(terminal, 'Which column is the text?', { placeholder: 'body' });
  const path = await askText(terminal, 'Which path does a row get? The columns in {} are its key', { placeholder: `${table}/{slug}.html` });
  const name = table.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '-');
  return { root, mappings: [{ name, table, path, content }] };
}
