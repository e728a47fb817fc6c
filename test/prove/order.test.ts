import assert from 'node:assert/strict';
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { createPagesProject, type Direction, type Pages, stepsOf } from '../crash/pages.ts';
import { filesOf, onlyRecover, type RunOptions, startRun, stateOf } from '../crash/rig.ts';
import { useMariadb } from '../helpers/mariadb.ts';
import type { Engine } from '../helpers/project.ts';
import { at } from '../helpers/scenario.ts';
import { survived } from './cases.ts';
import { lintOrder, ORDERED_CALLS, type Place } from './order.ts';
import { type Call, noStrace, parseTrace, traced } from './tracing.ts';

useMariadb();

const WATCH = ['-y', '-s', '4200', '-e', `trace=${ORDERED_CALLS.join(',')}`];

async function placeOf(project: Pages): Promise<Place> {
  const top = project.repo.path;
  const paths = Object.keys(await filesOf(project)).map((path) => join(top, path));
  const files = new Map(await Promise.all(paths.map(async (path) => [path, String((await lstat(path)).ino)] as const)));
  const database = project.db.engine === 'sqlite' ? project.repo.beside('forum.db') : null;
  const { intent } = await stateOf(project);
  const pending = intent && intent.slice(0, 8);
  const leftRows = intent !== null && (await project.db.sql('SELECT tree FROM sync_run_tree WHERE txid = ?', [intent])).length > 0;
  return { pending, leftRows, root: join(top, 'db'), stateFolder: join(top, '.git/sync-run'), database, files };
}

/** Lints a run, and says how many rules were looked at; those in `rules` have to be among them, and calls with these names. */
async function ordered(project: Pages, options: RunOptions, rules: readonly RegExp[], met: readonly string[] = []): Promise<number> {
  const log = project.repo.beside('calls.log');
  const place = await placeOf(project);
  const { said, threads } = await traced(project, options, () => [...WATCH, '-o', log]);
  assert.equal(said?.exit, 0, said?.message);
  const calls = parseTrace(await readFile(log, 'utf8'), threads.all);
  const { problems, checked } = lintOrder(calls, place);
  assert.deepEqual(problems, [], 'every rule of the order was kept');
  for (const name of met)
    assert.ok(
      calls.some((call) => call.name === name && call.error === null),
      `the run makes a call ${name}`,
    );
  for (const rule of rules)
    assert.ok(
      [...checked.keys()].some((name) => rule.test(name)),
      `the run came to ${rule}`,
    );
  return [...checked.values()].reduce((sum, count) => sum + count, 0);
}

const aboutRows = /before the first row is written$/;
const aboutFiles = /put in place$|gets its name$|kept under another name$|recorded durably$/;

function skipped(t: TestContext, reason: string | null): boolean {
  if (reason) t.skip(reason);
  return reason !== null;
}

describe('the calls of a run come in an order that loses nothing', () => {
  const batches: [Engine, Direction | 'undo', RegExp[]][] = [
    ['sqlite', 'export', [aboutFiles]],
    ['sqlite', 'import', [aboutRows]],
    ['sqlite', 'sync', [aboutFiles, aboutRows]],
    ['sqlite', 'undo', [aboutFiles, aboutRows]],
    ['innodb', 'import', [aboutRows]],
  ];
  for (const [engine, direction, rules] of batches) {
    it(`${direction} on ${engine}`, async (t) => {
      if (skipped(t, await noStrace())) return;
      const project = await createPagesProject(t, engine, { folders: true });
      await project.change(direction === 'undo' ? 'sync' : direction);
      if (direction === 'undo') await project.run('sync');
      const met = direction === 'import' ? [] : ['mkdir', 'rmdir'];
      survived(t, { cases: await ordered(project, { request: { direction } }, rules, met) });
    });
  }

  it('resolve on sqlite', async (t) => {
    if (skipped(t, await noStrace())) return;
    const project = await createPagesProject(t, 'sqlite', { folders: true });
    await project.write(at('edit'), 'a file against a row\n');
    await project.db.sql('UPDATE pages SET body = ? WHERE slug = ?', ['a row against a file\n', 'edit']);
    const request: RunOptions['request'] = { direction: 'sync', command: 'resolve', prefer: 'row', paths: [at('edit')] };
    survived(t, { cases: await ordered(project, { request }, [aboutFiles]) });
    assert.equal(await project.read(at('edit')), 'a row against a file\n');
  });
});

describe('the calls of a recovery come in an order that loses nothing', () => {
  /** The moments of a run where its recovery has most to do, by the steps before and after it. */
  const moments: [Direction, string, (steps: readonly string[]) => number][] = [
    ['export', 'nothing is staged', (steps) => steps.indexOf('fchmod') - 2 * steps.filter((step) => step === 'fchmod').length],
    ['export', 'what is staged is not durable', (steps) => steps.indexOf('fsync')],
    ['export', 'files are half in place', (steps) => steps.lastIndexOf('rename')],
    ['export', 'files are in place', (steps) => steps.lastIndexOf('postMessage')],
    ['sync', 'rows are written', (steps) => steps.lastIndexOf('rename', steps.indexOf('link'))],
    ['sync', 'files are half in place', (steps) => steps.lastIndexOf('rename')],
  ];
  for (const direction of ['export', 'sync'] as const) {
    it(`after an interrupted ${direction}`, async (t) => {
      if (skipped(t, await noStrace())) return;
      const project = await createPagesProject(t, 'sqlite', { folders: true });
      const steps = await stepsOf(project, direction);
      let cases = 0;
      for (const [of, moment, where] of moments) {
        if (of !== direction) continue;
        const { changed } = await project.change(direction);
        const run = await startRun(project, { request: { direction }, killAt: 1 + where(steps) });
        assert.equal(await run.go(), null, `the run was killed when ${moment}`);
        assert.notEqual((await stateOf(project)).intent, null, `a batch is unfinished when ${moment}`);
        cases += await ordered(project, { request: onlyRecover }, []);
        assert.deepEqual(await project.world(), changed, `recovery ended the batch that stopped when ${moment}`);
      }
      survived(t, { cases });
    });
  }
});

describe('the linter of the order', () => {
  const root = '/repo/db';
  const wal = '/repo/.git/sync-run/state.db-wal';
  const own = (end: string): string => `${root}/.sync-run-0123abcd-0.${end}`;
  const place: Place = {
    root,
    stateFolder: '/repo/.git/sync-run',
    database: '/forum.db',
    pending: null,
    leftRows: false,
    files: new Map([[`${root}/a`, '1']]),
  };
  /** The calls that replace one file, and write one row, as they should come. */
  const good: Step[] = [
    ['openat', 3, wal, 'O_RDWR|O_CREAT'],
    ['pwrite64', 3, wal, 'the batch 0123abcd'],
    ['fsync', 3, wal],
    ['openat', 4, root, 'O_RDONLY'],
    ['openat', 5, own('new'), 'O_RDWR|O_CREAT|O_EXCL'],
    ['pwrite64', 5, own('new'), 'text'],
    ['fsync', 5, own('new')],
    ['pread64', 5, own('new'), 'text'],
    ['close', 5, own('new')],
    ['fsync', 4, root],
    ['openat', 6, '/forum.db-wal', 'O_RDWR'],
    ['pwrite64', 6, '/forum.db-wal', 'row'],
    ['fsync', 6, '/forum.db-wal'],
    ['link', null, null, '/proc/self/fd/4/a', '/proc/self/fd/4/.sync-run-0123abcd-0.old'],
    ['rename', null, null, '/proc/self/fd/4/.sync-run-0123abcd-0.new', '/proc/self/fd/4/a'],
    ['fsync', 4, root],
    ['openat', 7, `${root}/a`, 'O_RDONLY'],
    ['pwrite64', 3, wal, 'the base'],
    ['fsync', 3, wal],
    ['unlink', null, null, '/proc/self/fd/4/.sync-run-0123abcd-0.old'],
    ['fsync', 4, root],
  ];
  type Step = [name: string, fd: number | null, path: string | null, ...strings: string[]];
  const callsOf = (steps: readonly Step[]): Call[] =>
    steps.map(([name, fd, path, ...strings], at) => {
      const [args = ''] = name === 'openat' ? strings : [];
      const failed = strings.includes('EIO');
      return { thread: 1, name, start: at, end: at, fd, path, strings, args, result: failed ? -1 : 0, error: failed ? 'EIO' : null };
    });
  const problemsOf = (steps: readonly Step[], other: Partial<Place> = {}): string[] =>
    lintOrder(callsOf(steps), { ...place, ...other }).problems.map((problem) => problem.split(':')[0]!);
  const withFolder: Partial<Place> = { files: new Map([[`${root}/gone/b`, '2']]) };
  /** The same steps without some, or with one of them at another place. */
  const without = (...at: number[]): Step[] => good.filter((_, index) => !at.includes(index));
  const moved = (from: number, to: number): Step[] => without(from).toSpliced(to, 0, good[from]!);
  const instead = (at: number, ...steps: Step[]): Step[] => good.toSpliced(at, 1, ...steps);

  /** The calls that make a folder with a file in it, and take away a folder with its only file. */
  const folders: Step[] = [
    ...good.slice(0, 4),
    ['mkdir', null, null, '/proc/self/fd/4/made'],
    ['fsync', 4, root],
    ['openat', 5, `${root}/made`, 'O_RDONLY'],
    ['openat', 6, `${root}/made/.sync-run-0123abcd-0.new`, 'O_RDWR|O_CREAT|O_EXCL'],
    ['pwrite64', 6, `${root}/made/.sync-run-0123abcd-0.new`, 'text'],
    ['fsync', 6, `${root}/made/.sync-run-0123abcd-0.new`],
    ['pread64', 6, `${root}/made/.sync-run-0123abcd-0.new`, 'text'],
    ['fsync', 5, `${root}/made`],
    ['openat', 7, `${root}/gone`, 'O_RDONLY'],
    ['rename', null, null, '/proc/self/fd/7/b', '/proc/self/fd/7/.sync-run-0123abcd-1.old'],
    ['rename', null, null, '/proc/self/fd/5/.sync-run-0123abcd-0.new', '/proc/self/fd/5/c'],
    ['fsync', 5, `${root}/made`],
    ['fsync', 7, `${root}/gone`],
    ['openat', 8, `${root}/made/c`, 'O_RDONLY'],
    ['pwrite64', 3, wal, 'the base'],
    ['fsync', 3, wal],
    ['unlink', null, null, '/proc/self/fd/7/.sync-run-0123abcd-1.old'],
    ['rmdir', null, null, '/proc/self/fd/4/gone'],
    ['fsync', 4, root],
  ];

  const broken: [string, Step[], RegExp, Partial<Place>?][] = [
    ['an intent that is not synced', without(2), /^The intent is durable before/],
    ['an intent after the file is placed', moved(1, 14), /^The intent is durable before the first file/],
    ['an intent after the row is written', [...good.slice(10, 13), ...without(10, 11, 12)], /^The intent is durable before the first row/],
    ['a staged file that is not synced', without(6), /^A file is durable before it gets its name/],
    ['a staged file that is written after its fsync', moved(5, 6), /^A file is durable before it gets its name/],
    ['a staged file that is not read back', without(7), /^A file is read back/],
    ['a staged file of another process', without(4, 5, 6, 7, 8), /^A file is made durable by the process/],
    ['a row before the staged file is durable', moved(6, 11), /^All files are durable before the first row/],
    ['a row before the staged name is durable', without(9), /^The names of all files are durable before the first row/],
    ['rows that are not synced', without(12), /^Rows are durable before the state/],
    ['a target without a kept inode', without(13, 19), /^What is replaced is kept/],
    ['a folder that is not synced before the record', without(15), /^Names are durable before the state/],
    ['a folder that is not synced at the end', without(20), /^All names are durable at the end/],
    ['a target that is not looked at', without(16), /^What was put in place is looked at/],
    ['a kept inode that goes before the record', moved(19, 16), /^An old file goes only once/],
    ['a kept inode that goes before the record is durable', moved(19, 18), /^An old file goes only once/],
    ['a record that is not synced', without(18), /^(?:An old file goes|The state is durable at the end)/],
    ['a target opened for writing', instead(16, ['openat', 7, `${root}/a`, 'O_RDWR']), /^Below the root only files of its own/],
    ['a file of git opened for writing', instead(16, ['openat', 7, '/repo/.git/index', 'O_RDWR']), /^In the repository only the state/],
    [
      'a target removed',
      [...good, ['unlink', null, null, '/proc/self/fd/4/a'], ['fsync', 4, root]],
      /^Below the root only names of its own/,
    ],
    [
      'an fsync tried again after it failed',
      instead(6, ['fsync', 5, own('new'), 'EIO'], ['fsync', 5, own('new')]),
      /^What failed to become durable/,
    ],
    [
      'rows that a killed process left and nobody makes durable',
      without(10, 11, 12),
      /^An old file goes only once the rows/,
      { leftRows: true },
    ],
    ['a new folder that is not synced', folders.toSpliced(5, 1), /^Names are durable before the state/, withFolder],
    [
      'a new folder that is synced after its rows',
      [...folders.toSpliced(5, 1).toSpliced(6, 0, ...good.slice(10, 13)), folders[5]!],
      /^The names of all files/,
      withFolder,
    ],
    ['a file in a new folder whose name is not synced', folders.toSpliced(15, 1), /^Names are durable before the state/, withFolder],
    ['a removed folder that is not synced', folders.toSpliced(22, 1), /^All names are durable at the end/, withFolder],
    [
      'a folder removed with a file that is not its own',
      folders.toSpliced(20, 1, ['unlink', null, null, '/proc/self/fd/7/b']),
      /^Below the root only names of its own/,
      withFolder,
    ],
  ];

  it('finds nothing where all is in order', () => {
    assert.deepEqual(problemsOf(good), []);
    assert.deepEqual(problemsOf(good, { leftRows: true }), []);
    assert.deepEqual(problemsOf(folders, withFolder), []);
  });
  for (const [what, steps, rule, other] of broken) {
    it(`finds ${what}`, () => assert.match(problemsOf(steps, other).join('\n'), new RegExp(rule, 'm')));
  }

  it('understands what strace writes', () => {
    const log = [
      '7 openat(AT_FDCWD</repo>, "/repo/db", O_RDONLY|O_DIRECTORY) = 4</repo/db>',
      '7 fsync(4</repo/db> <unfinished ...>',
      '9 write(5</repo/db/x>, "a) = 1\\"\\n", 9) = 9',
      '8 rename("a", "b") = -1 EIO (Input/output error) (INJECTED)',
      '7 <... fsync resumed>) = 0',
      '7 clone3({flags=CLONE_VM|CLONE_THREAD, stack_size=0x1} => {parent_tid=[9]}, 88) = 9',
    ].join('\n');
    const calls = parseTrace(log, [7]).map(({ thread, name, start, end, fd, path, strings }) => [
      thread,
      name,
      start,
      end,
      fd,
      path,
      strings,
    ]);
    assert.deepEqual(calls, [
      [7, 'openat', 0, 0, 4, '/repo/db', ['/repo/db']],
      [9, 'write', 2, 2, 5, '/repo/db/x', ['a) = 1\\"\\n']],
      [7, 'fsync', 1, 4, 4, '/repo/db', []],
      [7, 'clone3', 5, 5, null, null, []],
    ]);
    assert.equal(parseTrace(log, [8]).find(({ thread }) => thread === 8)?.error, 'EIO');
  });
});
