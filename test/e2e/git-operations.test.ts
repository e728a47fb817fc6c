import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { at } from '../helpers/scenario.ts';
import { createSite, type Site, type SiteEvent, type SiteRunner, until, type Where } from '../helpers/site.ts';

type Texts = Record<string, string | null>;

interface Operation {
  name: string;
  /** Brings the tree to where the operation starts; both sides are synced afterwards. */
  before?: (site: Site) => Promise<unknown>;
  run: (site: Site) => Promise<unknown>;
  /** Hooks git runs, in order; those it runs in the middle of a rebase included. */
  fires: string[];
  /** Whether our hooks alone bring the rows along; else a typed command does, or a runner. */
  hooksCover: boolean;
  /** What the files hold afterwards where it is not what they held before; null is no file. */
  files: Texts;
  /** Rows that differ from the files with a runner, besides those edited by SQL. */
  rowsWithRunner?: Texts;
  /** Whether a row of "fought", edited by SQL before, now stands against another file. */
  conflict: boolean;
  /** How many batches wrote something: by hooks or a typed command, and with a runner. */
  batches: [without: number, withRunner: number];
  /** In a linked working tree as well. */
  linked?: boolean;
  /** It takes no lock of git's, so that no gate closes. */
  unlocked?: boolean;
}

const pages = { changed: 'base\n', doomed: 'doomed\n', moved: 'a text\nthat moves\n', fought: 'base\n', kept: 'base\n', mine: 'base\n' };
const other: Texts = { changed: 'other\n', doomed: null, fresh: 'other\n', moved: null, shifted: pages.moved, fought: 'other\n' };
const clash: Texts = { mine: 'clash\n', late: 'clash\n' };

/** `other` and `clash` begin where the trunk did; the trunk has a commit of its own since. */
async function branches({ repo }: Site): Promise<void> {
  await repo.git('branch', 'begin');
  await repo.git('switch', '--quiet', '--create', 'clash');
  await write(repo, clash);
  await repo.commit('Clash');
  await repo.git('switch', '--quiet', '--create', 'other', 'begin');
  await write(repo, other);
  await repo.commit('Other');
  await repo.git('switch', '--quiet', '--create', 'trunk', 'begin');
  await write(repo, { mine: 'trunk\n' });
  await repo.commit('Trunk');
}

async function write(repo: Pick<Site['repo'], 'write' | 'remove'>, texts: Texts): Promise<void> {
  for (const [slug, text] of Object.entries(texts)) await (text === null ? repo.remove(at(slug)) : repo.write(at(slug), text));
}

const git =
  (...args: string[]) =>
  ({ repo }: Site) =>
    repo.git(...args);
const stops =
  (...args: string[]) =>
  ({ repo }: Site) =>
    assert.rejects(repo.git(...args));
const all =
  (...steps: ((site: Site) => Promise<unknown>)[]) =>
  async (site: Site): Promise<void> => {
    for (const step of steps) await step(site);
  };
const edit =
  (texts: Texts) =>
  ({ repo }: Site) =>
    write(repo, texts);
const remote = ({ repo }: Site): Promise<unknown> => repo.git('clone', '--quiet', '--bare', '.', repo.beside('remote.git'));
const pull =
  (how: string) =>
  ({ repo }: Site) =>
    repo.git('pull', '--quiet', how, repo.beside('remote.git'), 'other');

const operations: Operation[] = [
  {
    name: 'checkout of a branch',
    run: git('checkout', '--quiet', 'other'),
    fires: ['post-checkout'],
    hooksCover: true,
    files: { ...other, mine: 'base\n' },
    conflict: true,
    batches: [1, 1],
    linked: true,
  },
  {
    name: 'switch',
    run: git('switch', '--quiet', 'other'),
    fires: ['post-checkout'],
    hooksCover: true,
    files: { ...other, mine: 'base\n' },
    conflict: true,
    batches: [1, 1],
  },
  {
    name: 'reset --hard',
    run: git('reset', '--quiet', '--hard', 'other'),
    fires: [],
    hooksCover: false,
    files: { ...other, mine: 'base\n' },
    conflict: true,
    batches: [1, 1],
    linked: true,
  },
  {
    name: 'stash',
    before: edit({ changed: 'dirty\n', fought: 'dirty\n' }),
    run: git('stash', '--quiet'),
    fires: [],
    hooksCover: false,
    files: { changed: 'base\n', fought: 'base\n' },
    conflict: true,
    batches: [1, 1],
  },
  {
    name: 'stash pop',
    before: all(edit({ changed: 'dirty\n', fought: 'dirty\n' }), git('stash', '--quiet')),
    run: git('stash', 'pop', '--quiet'),
    fires: [],
    hooksCover: false,
    files: { changed: 'dirty\n', fought: 'dirty\n' },
    conflict: true,
    batches: [1, 1],
    linked: true,
  },
  {
    name: 'merge',
    run: git('merge', '--quiet', '--no-edit', 'other'),
    fires: ['post-merge'],
    hooksCover: true,
    files: other,
    conflict: true,
    batches: [1, 1],
    linked: true,
  },
  {
    name: 'merge that stops, is resolved and committed',
    run: all(stops('merge', '--quiet', 'clash'), edit({ mine: 'both\n' }), git('add', 'db'), git('commit', '--quiet', '--no-edit')),
    fires: ['pre-commit', 'post-commit'],
    hooksCover: true,
    files: { mine: 'both\n', late: 'clash\n' },
    conflict: false,
    batches: [1, 1],
    linked: true,
  },
  {
    name: 'merge that stops and is aborted',
    run: all(stops('merge', '--quiet', 'clash'), git('merge', '--abort')),
    fires: [],
    hooksCover: true,
    files: {},
    conflict: false,
    batches: [0, 0],
  },
  {
    name: 'rebase',
    run: git('rebase', '--quiet', 'other'),
    fires: ['post-checkout', 'post-commit', 'post-rewrite'],
    hooksCover: true,
    files: other,
    conflict: true,
    batches: [1, 1],
    linked: true,
  },
  {
    name: 'rebase that stops, is resolved and continued',
    run: all(stops('rebase', '--quiet', 'clash'), edit({ mine: 'both\n' }), git('add', 'db'), git('rebase', '--continue')),
    fires: ['post-checkout', 'post-commit', 'post-rewrite'],
    hooksCover: true,
    files: { mine: 'both\n', late: 'clash\n' },
    conflict: false,
    batches: [1, 1],
    linked: true,
  },
  {
    name: 'rebase that stops and is aborted',
    run: all(stops('rebase', '--quiet', 'clash'), git('rebase', '--abort')),
    fires: ['post-checkout'],
    hooksCover: true,
    files: {},
    conflict: false,
    batches: [0, 0],
  },
  {
    name: 'rebase that amends its commits, stops and is aborted',
    run: all(
      stops('rebase', '--quiet', '--exec', 'git commit --quiet --amend --message Better && false', 'other'),
      git('rebase', '--abort'),
    ),
    fires: ['post-checkout', 'post-commit', 'pre-commit', 'post-commit', 'post-rewrite'],
    hooksCover: true,
    files: {},
    conflict: false,
    batches: [0, 0],
  },
  {
    name: 'cherry-pick',
    run: git('cherry-pick', 'other'),
    fires: ['post-commit'],
    hooksCover: false,
    files: other,
    conflict: true,
    batches: [1, 1],
  },
  {
    name: 'revert',
    before: git('merge', '--quiet', '--no-edit', 'other'),
    run: git('revert', '--no-edit', '-m', '1', 'HEAD'),
    fires: ['post-commit'],
    hooksCover: false,
    files: { ...pages, fresh: null, shifted: null, mine: 'trunk\n' },
    conflict: true,
    batches: [1, 1],
  },
  {
    name: 'pull --rebase',
    before: remote,
    run: pull('--rebase'),
    fires: ['post-checkout', 'post-commit', 'post-rewrite'],
    hooksCover: true,
    files: other,
    conflict: true,
    batches: [1, 1],
  },
  {
    name: 'pull --ff-only',
    before: all(git('switch', '--quiet', '--create', 'behind', 'begin'), remote),
    run: pull('--ff-only'),
    fires: ['post-merge'],
    hooksCover: true,
    files: { ...other, mine: 'base\n' },
    conflict: true,
    batches: [1, 1],
  },
  {
    // Nothing tells why the file is gone: a typed command takes it as meant, a runner only names it.
    name: 'clean -fd',
    before: edit({ loose: 'never added\n' }),
    run: git('clean', '--quiet', '-fd'),
    fires: [],
    hooksCover: false,
    files: { loose: null },
    rowsWithRunner: { loose: 'never added\n' },
    conflict: false,
    batches: [1, 0],
    unlocked: true,
  },
  {
    name: 'commit --amend of a mapped file',
    run: all(edit({ changed: 'amended\n' }), git('add', 'db'), git('commit', '--quiet', '--amend', '--no-edit')),
    fires: ['pre-commit', 'post-commit', 'post-rewrite'],
    hooksCover: true,
    files: { changed: 'amended\n' },
    conflict: false,
    batches: [1, 1],
    linked: true,
  },
  {
    name: 'commit --amend of the message',
    run: git('commit', '--quiet', '--amend', '--message', 'Better'),
    fires: ['pre-commit', 'post-commit', 'post-rewrite'],
    hooksCover: true,
    files: {},
    conflict: false,
    batches: [0, 0],
  },
  {
    name: 'restore',
    run: git('restore', '--source', 'other', '--', at('changed'), at('fought')),
    fires: ['post-checkout'],
    hooksCover: true,
    files: { changed: 'other\n', fought: 'other\n' },
    conflict: true,
    batches: [1, 1],
  },
  {
    name: 'checkout of a path',
    run: git('checkout', '--quiet', 'other', '--', 'db'),
    fires: ['post-checkout'],
    hooksCover: true,
    files: { ...other, doomed: pages.doomed, moved: pages.moved, mine: 'base\n' },
    conflict: true,
    batches: [1, 1],
  },
];

/** What an operation starts from, with two rows that somebody edited by SQL: one git will change the file of, one it will not. */
async function start(t: TestContext, { before }: Operation, where: Where) {
  const site = await createSite(t, { pages, where, prepare: all(branches, before ?? (async () => {})) });
  const files = await site.texts();
  assert.deepEqual(await site.rows(), files);
  await site.db.sql("UPDATE pages SET body = 'by hand' WHERE slug IN ('kept', 'fought')");
  return { site, files, known: (await site.batches()).length };
}

function patched(texts: Record<string, string>, changes: Texts): Record<string, string> {
  return Object.fromEntries(Object.entries({ ...texts, ...changes }).filter((entry): entry is [string, string] => entry[1] !== null));
}

/** Nothing is lost, and whatever still differs is named. */
async function assertEnd(site: Site, operation: Operation, files: Record<string, string>, rows: Record<string, string>): Promise<void> {
  assert.deepEqual(await site.texts(), files);
  assert.deepEqual(await site.rows(), rows);
  const status = await site.status();
  const ahead = operation.conflict ? ['kept'] : ['fought', 'kept'];
  assert.deepEqual(
    {
      conflicts: status.conflicts.map(({ path }) => path),
      rows: status.rows.map(({ path }) => path).toSorted(),
      files: status.files,
      skipped: status.skipped,
    },
    {
      conflicts: operation.conflict ? [at('fought')] : [],
      rows: ahead.filter((slug) => files[slug] !== rows[slug]).map((slug) => at(slug)),
      files: [],
      skipped: [],
    },
  );
}

async function withoutRunner(t: TestContext, operation: Operation, where: Where): Promise<void> {
  const { site, files, known } = await start(t, operation, where);
  await operation.run(site);
  assert.deepEqual(await site.fired(), operation.fires);
  const expected = patched(files, operation.files);
  const rows = { ...expected, kept: 'by hand', fought: 'by hand' };
  if (operation.hooksCover) {
    await assertEnd(site, operation, expected, rows);
  } else {
    assert.equal((await site.batches()).length, known);
    const { code, stderr } = await site.cli(['sync']);
    assert.equal(code, operation.conflict ? 1 : 0, stderr);
    // Typed, it goes both ways.
    await assertEnd(site, operation, { ...expected, kept: 'by hand', ...(operation.conflict ? {} : { fought: 'by hand' }) }, rows);
  }
  assert.equal((await site.batches()).length - known, operation.batches[0]);
}

async function withRunner(t: TestContext, operation: Operation, where: Where): Promise<void> {
  const { site, files, known } = await start(t, operation, where);
  const runner = await site.runner();
  try {
    await runner.seen.until((events) => events.some(({ type }) => type === 'batch-applied'));
    await runner.idle();
    runner.seen.clear();
    await operation.run(site);
    assert.deepEqual(await site.fired(), operation.fires);
    await caughtUp(runner, operation);
    const expected = patched(files, operation.files);
    await assertEnd(site, operation, expected, {
      ...patched(expected, operation.rowsWithRunner ?? {}),
      kept: 'by hand',
      fought: 'by hand',
    });
    // What is saved afterwards comes through, and nothing else was still to come.
    await site.write(at('probe'), 'last\n');
    await until('the last file is in its row', async () => (await site.rows())['probe'] === 'last\n');
    await runner.idle();
    assert.equal((await site.batches()).length - known, operation.batches[1] + 1);
    for (const event of runner.seen.all) if (event.type === 'batch-started') assertAllowed(event);
  } catch (error) {
    for (const event of runner.seen.all) t.diagnostic(JSON.stringify(event));
    throw error;
  } finally {
    await runner.close();
  }
}

/** The gate has opened for good, and what then looks everywhere is over. */
async function caughtUp(runner: SiteRunner, { unlocked }: Operation): Promise<void> {
  const looked = (events: SiteEvent[]): boolean => {
    const opened = unlocked ? -1 : events.findLastIndex(({ type }) => type === 'gate-open');
    if (!unlocked && (opened < 0 || events.findLastIndex(({ type }) => type === 'gate-closed') > opened)) return false;
    const begun = events.find((event, n) => n > opened && event.type === 'batch-started' && event.source === 'watcher');
    return events.some((event) => event.type === 'batch-applied' && begun?.type === 'batch-started' && event.manifest === begun.manifest);
  };
  await until('it looked everywhere after the gate opened', () => looked(runner.seen.all));
  await runner.idle();
}

const passes: Record<string, string[]> = {
  'pre-commit': ['index.lock', 'MERGE_HEAD', 'rebase-merge', 'CHERRY_PICK_HEAD'],
  'post-merge': ['MERGE_HEAD'],
  'post-rewrite': ['rebase-merge'],
};

/** Only a hook, for which git waits, begins while git is at work, and only within the operation it is part of. */
function assertAllowed(event: SiteEvent & { type: 'batch-started' }): void {
  const allowed = passes[event.hook ?? ''] ?? [];
  const beyond = event.markers.filter((marker) => !allowed.includes(marker));
  assert.deepEqual(beyond, [], `A batch by ${event.hook ?? event.source} began while git was at work`);
}

for (const where of ['main', 'linked'] as const) {
  describe(`in the ${where} working tree`, { concurrency: 4 }, () => {
    for (const operation of operations) {
      if (where === 'linked' && operation.linked !== true) continue;
      it(`${operation.name}, by hooks${operation.hooksCover ? '' : ' and a typed command'}`, (t) => withoutRunner(t, operation, where));
      it(`${operation.name}, with a runner`, (t) => withRunner(t, operation, where));
    }
  });
}
