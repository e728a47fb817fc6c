import { readFile } from 'node:fs/promises';
import { Command, CommanderError, Option } from 'commander';
import { SyncError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Handler } from './call.ts';
import { type CommandDefinition, commands, type OptionDefinition } from './commands.ts';
import type { Terminal } from './terminal.ts';

/** Told which command was meant, before anything of it is loaded. */
type Dispatch = (load: () => Promise<Handler>, args: string[], options: Record<string, unknown>) => Promise<void>;

export interface Program {
  /** Null, or the help or version that was asked for. */
  run(): Promise<string | null>;
}

/** The command line as a whole: names, options and help of every command; their code is loaded when one of them runs. */
export async function createProgram(terminal: Terminal, dispatch: Dispatch): Promise<Program> {
  let output = '';
  const program = new Command('sync-run')
    .description('Two-way sync between text kept in database rows and files in a git working tree.')
    .usage('[command] [options]')
    .version(await ownVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText('after', '\nWithout a command it is "sync-run sync".\nExample:\n  $ npx sync-run init --preset mybb')
    .exitOverride()
    .configureOutput({ writeOut: (text) => (output += text), writeErr: () => {}, getOutHelpWidth: () => terminal.output.columns ?? 100 });
  for (const definition of commands) add(program, definition, dispatch);

  return {
    async run() {
      const [first] = terminal.argv;
      try {
        refuseUnknown(first, terminal.argv);
        await program.parseAsync([...terminal.argv], { from: 'user' });
        return output === '' ? null : output;
      } catch (error) {
        if (!(error instanceof CommanderError)) throw error;
        if (error.exitCode === 0) return output;
        throw usageError(error, first);
      }
    },
  };
}

function add(parent: Command, definition: CommandDefinition, dispatch: Dispatch): void {
  const { usage, summary, description, example, options = [], load, commands: inner = [], isDefault = false } = definition;
  const command = parent.command(usage, { isDefault }).summary(summary).description(description).helpOption('-h, --help', 'print help');
  command.addHelpText('after', `\nExample:\n${example.map((line) => `  $ ${line}`).join('\n')}`);
  for (const option of options) command.addOption(toOption(option));
  for (const child of inner) add(command, child, dispatch);
  if (load) command.action(() => dispatch(load, command.args, command.opts()));
}

function toOption({ flags, description, choices, parse }: OptionDefinition): Option {
  const option = new Option(flags, description);
  if (choices) option.choices(choices);
  if (parse) option.argParser((value: string) => parse(value));
  return option;
}

/** Everything unknown would go to the default command as a path, also a mistyped command. */
function refuseUnknown(first: string | undefined, argv: readonly string[]): void {
  if (first === undefined) return;
  const names = [...commands.map(({ usage }) => usage.split(' ')[0]!), 'help'];
  if (first.startsWith('-')) {
    // Otherwise "sync-run --json status" would sync the path "status".
    const late = argv.find((word) => names.includes(word));
    if (late === undefined || argv.slice(0, argv.indexOf(late)).includes('--')) return;
    const rest = argv.filter((word) => word !== late).join(' ');
    throw new SyncError('USAGE', 'Options stand after the command', { hint: `npx sync-run ${late} ${rest}` });
  }
  if (names.includes(first)) return;
  const meant = nearest(first, names);
  throw new SyncError('USAGE', `There is no command "${first}"${meant === null ? '' : `; did you mean "${meant}"?`}`, {
    hint: meant === null ? `npx sync-run --help, or for a path: npx sync-run sync "${first}"` : `npx sync-run ${meant}`,
  });
}

function usageError(error: CommanderError, first: string | undefined): SyncError {
  const text = error.message
    .replace(/^error: /, '')
    .replaceAll("'", '"')
    .replace(/\.$/, '')
    .replace(/\n\((Did you mean .*)\)$/, (_, meant: string) => `; ${meant[0]!.toLowerCase()}${meant.slice(1)}`);
  const named = commands.find(({ usage }) => usage.split(' ')[0] === first);
  const command = named ? ` ${first}` : '';
  if (error.code === 'commander.help') {
    const inner = (named?.commands ?? []).map(({ usage }) => usage.split(' ')[0]);
    return new SyncError('USAGE', `"${first}" needs one of: ${inner.join(', ')}`, { hint: `npx sync-run${command} --help` });
  }
  return new SyncError('USAGE', text[0]!.toUpperCase() + text.slice(1), { hint: `npx sync-run${command} --help`, cause: error });
}

async function ownVersion(): Promise<string> {
  // Beside `src/`, or beside `dist/`.
  const up = import.meta.url.endsWith('.ts') ? '../../' : '../../../';
  const { version } = JSON.parse(await readFile(new URL(`${up}package.json`, import.meta.url), 'utf8')) as { version: string };
  return version;
}
