import type { Direction } from '../core/batch.ts';
import { SyncError } from '../core/errors.ts';
import type { Handler } from './call.ts';

export interface OptionDefinition {
  flags: string;
  description: string;
  choices?: readonly string[];
  parse?: (value: string) => unknown;
}

export interface CommandDefinition {
  /** Name and arguments, as commander reads them. */
  usage: string;
  /** For the list of commands. */
  summary: string;
  /** One paragraph. */
  description: string;
  example: string[];
  options?: OptionDefinition[];
  /** Loads the code of the command; without it the command is a group of others. */
  load?: () => Promise<Handler>;
  commands?: CommandDefinition[];
  isDefault?: boolean;
}

const json: OptionDefinition = { flags: '--json', description: 'print one JSON document on standard output' };
const dryRun: OptionDefinition = { flags: '--dry-run', description: 'say what would be done, and do nothing' };
const lockTimeout: OptionDefinition = {
  flags: '--lock-timeout <seconds>',
  description: 'how long to wait for another run, and for git (default: 30)',
  parse: (value) => duration('--lock-timeout', value),
};
const batch: OptionDefinition[] = [
  dryRun,
  {
    flags: '--prefer <side>',
    description: 'settle conflicts in favour of one side; the other text is in the history',
    choices: ['file', 'row'],
  },
  { flags: '--allow-mass-change', description: 'let a batch pass that deletes or overwrites much' },
  lockTimeout,
  json,
];
const loadBatch = (direction: Direction) => async (): Promise<Handler> => (await import('./commands/batch.ts')).batchCommand(direction);

/** Every command, in the order in which help lists them. */
export const commands: CommandDefinition[] = [
  {
    usage: 'init',
    summary: 'set this working tree up',
    description:
      'Sets this working tree up: writes sync-run.config.json or shows the one that is there, stores the database URL outside of the tree, checks both against each other, prepares the database, installs the git hooks and makes the first sync. Nothing is written before the database has answered. Doing it again changes nothing.',
    example: ['npx sync-run init --preset mybb', 'echo "$DATABASE_URL" | npx sync-run init --yes --url -'],
    options: [
      { flags: '-y, --yes', description: 'ask nothing and take the defaults; texts that differ stay as conflicts' },
      { flags: '--url <url>', description: 'the database; "-" reads it from standard input (default: SYNC_RUN_DATABASE_URL)' },
      { flags: '--preset <name>', description: 'ready-made mappings', choices: ['mybb'] },
      { flags: '--prefix <prefix>', description: 'what the table names of the preset begin with' },
      { flags: '--root <folder>', description: 'the folder for the files (default: "db")' },
      { flags: '--no-hooks', description: 'install no git hooks' },
      { flags: '--no-run', description: 'make no first sync' },
      { flags: '--new-target', description: 'the database was restored or replaced: forget what was agreed with the old one' },
      lockTimeout,
      json,
    ],
    load: async () => (await import('./commands/init.ts')).initCommand,
  },
  {
    usage: 'sync [paths...]',
    summary: 'bring both sides together (what runs without a command)',
    description:
      'Carries edited files to the rows and edited rows to the files, in one batch. A text that was edited on both sides is a conflict: it is left as it is on both, and named. Paths narrow the command to files or folders.',
    example: ['npx sync-run sync', 'npx sync-run sync db/pages --dry-run'],
    options: batch,
    load: loadBatch('sync'),
    isDefault: true,
  },
  {
    usage: 'export [paths...]',
    summary: 'bring edited rows to the files',
    description:
      'Carries what changed in the database to the files, in one batch. What changed in the files is left alone and counted as ahead.',
    example: ['npx sync-run export', 'npx sync-run export db/pages --prefer row'],
    options: batch,
    load: loadBatch('export'),
  },
  {
    usage: 'import [paths...]',
    summary: 'bring edited files to the rows',
    description:
      'Carries what changed in the files to the database, in one batch. What changed in the database is left alone and counted as ahead.',
    example: ['npx sync-run import', 'npx sync-run import db/pages/en/home.html'],
    options: batch,
    load: loadBatch('import'),
  },
  {
    usage: 'status [paths...]',
    summary: 'show what is ahead where',
    description:
      'Compares both sides with what they last agreed on and lists what is ahead, in conflict, missing or left alone. Writes nothing.',
    example: ['npx sync-run status', 'npx sync-run trust --yes && npx sync-run status --check'],
    options: [{ flags: '--check', description: 'exit with 1 unless all is in sync' }, json],
    load: async () => (await import('./commands/status.ts')).statusCommand,
  },
  {
    usage: 'diff [paths...]',
    summary: 'show how files and rows differ',
    description: 'Prints a unified diff from the file to the row for every item whose sides differ. Writes nothing.',
    example: ['npx sync-run diff db/pages/en/home.html'],
    options: [json],
    load: async () => (await import('./commands/diff.ts')).diffCommand,
  },
  {
    usage: 'resolve <paths...>',
    summary: 'settle conflicts',
    description:
      'Settles items whose sides differ: the text of one side wins, or both are merged line by line. The text that loses is in the history first.',
    example: ['npx sync-run resolve --merge db/pages/en/home.html', 'npx sync-run resolve --file db/pages'],
    options: [
      { flags: '--file', description: 'the files win' },
      { flags: '--row', description: 'the rows win' },
      { flags: '--merge', description: 'merge both; overlapping edits stay a conflict' },
      dryRun,
      lockTimeout,
      json,
    ],
    load: async () => (await import('./commands/resolve.ts')).resolveCommand,
  },
  {
    usage: 'log [path]',
    summary: 'list past batches',
    description: 'Lists past batches, the newest first: all of them, or those that touched a file or folder. Needs no database.',
    example: ['npx sync-run log', 'npx sync-run log db/pages/en/home.html'],
    options: [{ flags: '-n, --limit <count>', description: 'how many (default: 20)', parse: count }, json],
    load: async () => (await import('./commands/log.ts')).logCommand,
  },
  {
    usage: 'show <txid> <path>',
    summary: 'print one text of a past batch',
    description: 'Prints one text, byte for byte, as it was after a batch or before it. Needs no database.',
    example: [
      'npx sync-run show 4f2a91c0 db/pages/en/home.html --before',
      'npx sync-run show 4f2a91c0 db/pages/en/home.html --side row > old.html',
    ],
    options: [
      { flags: '--before', description: 'as it was before the batch' },
      { flags: '--side <side>', description: 'of the file or of the row (default: the side the batch wrote)', choices: ['file', 'row'] },
    ],
    load: async () => (await import('./commands/show.ts')).showCommand,
  },
  {
    usage: 'undo [txid]',
    summary: 'take a batch back',
    description:
      'Takes a batch back, the last one by default: what it wrote returns to what it was. An item that was edited since is a conflict and stays. Undone items are left alone by hooks and watcher until they are edited or named. An undo can be undone.',
    example: ['npx sync-run undo', 'npx sync-run undo 4f2a91c0 --dry-run'],
    options: [dryRun, lockTimeout, json],
    load: async () => (await import('./commands/undo.ts')).undoCommand,
  },
  {
    usage: 'watch',
    summary: 'sync live: bring saved files to their rows at once',
    description:
      'The runner in the foreground: every saved file is in its row a moment later. It waits while git is at work or a pause holds, and then catches up. Other commands and hooks hand their work to it.',
    example: ['npx sync-run watch', 'npx sync-run watch --rows 30 --detach'],
    options: [
      {
        flags: '--rows <seconds>',
        description: 'also bring edited rows to the files, looking for them that often',
        parse: (value) => interval('--rows', value),
      },
      { flags: '--detach', description: 'in the background, with a log in the state folder' },
      { flags: '--log <file>', description: 'write what happens to a file' },
      json,
    ],
    load: async () => (await import('./commands/watch.ts')).watchCommand,
  },
  {
    usage: 'pause',
    summary: 'stop watcher and post-hooks until resume',
    description:
      'Stops the watcher and the hooks that run after git has changed files, until "sync-run resume", also across restarts. Typed commands go on, and commits check without writing.',
    example: ['npx sync-run pause --reason "the forum is being upgraded"'],
    options: [{ flags: '--reason <text>', description: 'for those who wonder why' }, json],
    load: async () => (await import('./commands/pause.ts')).pauseCommand,
  },
  {
    usage: 'resume',
    summary: 'end a pause',
    description: 'Ends a pause. A runner catches up with what happened meanwhile.',
    example: ['npx sync-run resume'],
    options: [json],
    load: async () => (await import('./commands/pause.ts')).resumeCommand,
  },
  {
    usage: 'hold <command...>',
    summary: 'pause for as long as a command runs',
    description:
      'Runs a command while watcher and post-hooks pause, and ends with its exit code. The pause ends with the command, however it ends; what happened meanwhile is caught up with once.',
    example: ['npx sync-run hold -- git rebase main'],
    load: async () => (await import('./commands/hold.ts')).holdCommand,
  },
  {
    usage: 'hooks',
    summary: 'install, check or remove the git hooks',
    description: 'Wires sync-run to git: commits import the staged files, and switching, merging and rebasing bring the rows along.',
    example: ['npx sync-run hooks status'],
    commands: [
      {
        usage: 'install',
        summary: 'install the git hooks, or mend them',
        description: 'Adds a call of sync-run to the hooks of this repository, beside whatever is there. Doing it again changes nothing.',
        example: ['npx sync-run hooks install'],
        options: [json],
        load: async () => (await import('./commands/hooks.ts')).hooksInstallCommand,
      },
      {
        usage: 'status',
        summary: 'show how the git hooks stand',
        description: 'Shows where each hook is and whether it works. Exits with 1 unless all of them do.',
        example: ['npx sync-run hooks status'],
        options: [json],
        load: async () => (await import('./commands/hooks.ts')).hooksStatusCommand,
      },
      {
        usage: 'remove',
        summary: 'remove the git hooks',
        description:
          'Takes the calls of sync-run out of the hooks of this repository, for all its worktrees. The rest of each hook stays byte for byte.',
        example: ['npx sync-run hooks remove'],
        options: [json],
        load: async () => (await import('./commands/hooks.ts')).hooksRemoveCommand,
      },
    ],
  },
  {
    usage: 'hook <name> [args...]',
    summary: 'do the work of one git hook',
    description: 'What the installed hooks call; by hand it tries one out. Only pre-commit, and only for a conflict, ends with 1.',
    example: ['npx sync-run hook post-checkout'],
    load: async () => (await import('./commands/hook.ts')).hookCommand,
  },
  {
    usage: 'trust',
    summary: 'allow the configuration of this tree',
    description:
      "Shows what is new in sync-run.config.json and allows it in this working tree. A branch is other people's input: until then hooks do nothing and commands stop.",
    example: ['npx sync-run trust', 'npx sync-run trust --yes && npx sync-run status --check'],
    options: [{ flags: '-y, --yes', description: 'ask nothing' }, json],
    load: async () => (await import('./commands/trust.ts')).trustCommand,
  },
  {
    usage: 'verify [paths...]',
    summary: 'compare every text of both sides byte by byte',
    description:
      'Reads every text of both sides whole and compares them, trusting neither digests nor what was recorded. Exits with 1 if any differ. Writes nothing.',
    example: ['npx sync-run verify'],
    options: [json],
    load: async () => (await import('./commands/verify.ts')).verifyCommand,
  },
  {
    usage: 'doctor',
    summary: 'check the set-up and name remedies',
    description:
      'Checks everything sync-run relies on, each on its own: runtime, git, configuration, trust, database, rights, hooks and state. Exits with 1 if something needs a person.',
    example: ['npx sync-run doctor'],
    options: [json],
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  {
    usage: 'demo',
    summary: 'play the whole story in a scratch repository',
    description:
      'Makes a git repository and a small forum in an embedded database in the temporary folder, and plays the whole story in it: export, edits on both sides, a branch, a conflict, an undo. Checks each step.',
    example: ['npx sync-run demo', 'npx sync-run demo --keep'],
    options: [{ flags: '--keep', description: 'leave the scratch repository in place, to look around' }],
    load: async () => (await import('./commands/demo.ts')).demoCommand,
  },
];

/** In milliseconds: a day, well within what a timer can take (2^31 - 1). */
const LONGEST = 86_400_000;

/** Seconds as people type them, or with a unit, as milliseconds. */
function duration(flag: string, value: string): number {
  const [, number, unit] = /^(\d{1,7}(?:\.\d+)?)(ms|s)?$/.exec(value) ?? [];
  if (number === undefined) throw new SyncError('USAGE', `"${flag}" takes a number of seconds such as 30 or 0.5, found "${value}"`);
  const ms = Math.round(Number(number) * (unit === 'ms' ? 1 : 1000));
  if (ms > LONGEST) throw new SyncError('USAGE', `"${flag}" takes at most ${LONGEST / 1000} seconds, found "${value}"`);
  return ms;
}

/** The time between two looks; without one they would never end. */
function interval(flag: string, value: string): number {
  const ms = duration(flag, value);
  if (ms === 0) throw new SyncError('USAGE', `"${flag}" takes a time above zero, found "${value}"`);
  return ms;
}

function count(value: string): number {
  if (!/^[1-9]\d{0,8}$/.test(value)) throw new SyncError('USAGE', `"--limit" takes a number of batches such as 20, found "${value}"`);
  return Number(value);
}
