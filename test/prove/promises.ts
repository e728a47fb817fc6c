/** A file of tests, and which of them, that break what the promise is about. */
export interface Rig {
  file: string;
  tests?: RegExp;
}

export interface Promised {
  id: string;
  promise: string;
  /** What is done to it. */
  fault: string;
  rigs: readonly Rig[];
}

const crash = (name: string, tests?: RegExp): Rig => ({ file: `test/crash/${name}.test.ts`, tests });
const prove = (name: string, tests?: RegExp): Rig => ({ file: `test/prove/${name}.test.ts`, tests });
const own = (name: string, tests?: RegExp): Rig => ({ file: `test/${name}.test.ts`, tests });

/** The promises of `docs/guarantees.md`, with what tries to break each of them. */
export const promises: readonly Promised[] = [
  {
    id: 'G1',
    promise: 'A batch is all or nothing, whenever its process is killed',
    fault: 'SIGKILL before each step, at the calls of each thread that change the disk, at random moments; edits by others around it',
    rigs: [
      crash('steps'),
      crash('strace', /^a run killed/),
      crash('kill'),
      crash('late'),
      own('tree/crash', /^a crash anywhere/),
      own('tree/edits'),
    ],
  },
  {
    id: 'G2',
    promise: 'It is so over a power cut, and what was acknowledged is on the disk',
    fault: 'shutdown of ext4 and xfs, with and without flushing the journal, at each step and right after the acknowledgement',
    rigs: [prove('power')],
  },
  {
    id: 'G3',
    promise: 'Recovery can be interrupted like anything else',
    fault: 'SIGKILL at the steps and the calls of a recovery, and of the recovery of a recovery',
    rigs: [
      prove('recovery'),
      crash('strace', /^a recovery/),
      crash('after'),
      own('tree/crash', /discarding can crash|is rolled forward from its texts/),
    ],
  },
  {
    id: 'G4',
    promise: 'Nothing is replaced before what replaces it, and how to go on, is durable',
    fault: 'none: the order of all system calls of a run is checked',
    rigs: [prove('order'), prove('stored'), own('tree/crash', /is durable before/)],
  },
  {
    id: 'G5',
    promise: 'An I/O error is never told as success, and heals',
    fault: 'file system calls fail, once and for ever, in a run, a recovery and an undo',
    rigs: [prove('errors'), own('tree/crash', /once anywhere|stores something else/)],
  },
  {
    id: 'G6',
    promise: 'A failed fsync counts as lost data',
    fault: 'writeback onto a full device, fsync that fails or lies, COMMIT whose fsync fails',
    rigs: [prove('fsync'), own('tree/crash', /not fsynced again/)],
  },
  {
    id: 'G7',
    promise: 'An import is done exactly once, and its end is told truly',
    fault:
      'connection of imports, exports and recoveries cut at each packet and inside of it, in both directions; server killed; COMMIT lost, delivered, or held back',
    rigs: [crash('cut'), crash('server'), own('scenarios/races', /killed away/)],
  },
  {
    id: 'G8',
    promise: 'What the database stores is what the file says, or the item is refused by name',
    fault: 'columns that cut, pad, convert or generate; strict and non-strict servers',
    rigs: [prove('columns'), own('scenarios/columns'), own('scenarios/texts')],
  },
  {
    id: 'G9',
    promise: 'No text is lost, and none is replaced that the other side has not seen',
    fault: 'random histories of edits on both sides, runs, crashes, checkouts and restores, against a model',
    rigs: [
      prove('histories'),
      own('scenarios/races'),
      own('scenarios/clones', /two clones/),
      own('scenarios/branches'),
      own('scenarios/git-between', /^git at work/),
      own('scenarios/waiting-moves'),
      own('scenarios/keys', /lets be NULL/),
      own('state/prune', /newest/),
      own('tree/give-back'),
    ],
  },
  {
    id: 'G10',
    promise: 'After a run, a second one writes nothing',
    fault: 'a second run after runs of every kind, hooks and recoveries included, and an export beside a live runner',
    rigs: [prove('quiescence'), own('runner/sync'), own('e2e/watch', /an export of everything/)],
  },
  {
    id: 'G11',
    promise: 'A lost event loses no edit',
    fault:
      'edits, ends and new names without an event, more events than the kernel keeps, a stopped runner, no watches left, a folder made in a race, a clock that jumps',
    rigs: [
      prove('watching', /no event|are not missed|is stopped/),
      own('e2e/watch', /20,000|1,000/),
      own('watch/exhausted'),
      own('watch/clock-jump'),
      own('runner/live'),
    ],
  },
  {
    id: 'G12',
    promise: 'A half-saved file never reaches a row',
    fault: 'saves as editors make them, with delays at each step; conflict markers',
    rigs: [
      prove('watching', /half-saved/),
      own('e2e/watch', /saves it|bit by bit|emptied|conflict markers/),
      own('watch/watcher', /settles/),
      own('watch/settle'),
    ],
  },
  {
    id: 'G13',
    promise: 'One process at a time writes',
    fault: '50 processes that race for the lock, holders that are killed or stopped, torn notes',
    rigs: [prove('lock'), own('state/lock'), own('e2e/many', /twenty/)],
  },
  {
    id: 'G14',
    promise: 'No path leads outside the root, and no two items share one',
    fault: 'hostile names, names that are one on some file systems, links swapped in a race with writers and readers',
    rigs: [prove('paths'), prove('reading'), own('scenarios/names'), own('scenarios/links'), own('tree/place', /hostile|a folder swapped/)],
  },
  {
    id: 'G15',
    promise: 'A branch runs no code, and aims at no other database',
    fault: 'branches with a configuration, hooks, packages, settings and links of their own',
    rigs: [
      prove('hostile-branch'),
      own('scenarios/git-between', /^a configuration/),
      own('hooks/stub', /git tracks|not from the working tree/),
    ],
  },
  {
    id: 'G16',
    promise: 'The socket is private, and never holds up git',
    fault: 'another user, a bad token, oversized, broken and slow frames, deep paths, folders others can enter, a runner that hangs',
    rigs: [
      prove('socket'),
      prove('hung-runner'),
      own('runner/server', /listener|ends the connection|began a message|others can enter/),
      own('runner/socket-path'),
    ],
  },
  {
    id: 'G17',
    promise: 'No name and no text becomes SQL',
    fault: 'names, texts, constants and identifiers made to break out of a statement',
    rigs: [prove('injection'), prove('injection-lookups')],
  },
  {
    id: 'G18',
    promise: 'Tables without transactions are repaired by the next run, and an edit made meanwhile is kept',
    fault: 'SIGKILL between the rows of batches of every kind on MyISAM, edits before their repair',
    rigs: [crash('myisam')],
  },
  {
    id: 'G19',
    promise: 'A wrong or restored database and a lost state are noticed',
    fault: 'another database, an older copy, a deleted or older state, a copied working tree; commands, hooks and runners in it',
    rigs: [prove('restored'), own('scenarios/clones', /because|deleted|a copy of a tree/), crash('after', /in doubt|first export/)],
  },
  {
    id: 'G20',
    promise: 'A mass change needs a yes',
    fault: 'emptied databases and folders, changes around the limit',
    rigs: [prove('mass-change'), own('scenarios/safety')],
  },
];
