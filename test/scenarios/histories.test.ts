import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import fc from 'fast-check';
import type { Direction, Side, Source } from '../../src/core/batch.ts';
import { digest } from '../../src/core/digest.ts';
import type { Context } from '../../src/runner/context.ts';
import { defaultRequest } from '../../src/runner/request.ts';
import { resolve } from '../../src/runner/resolve.ts';
import { run } from '../../src/runner/run.ts';
import { undo } from '../../src/runner/undo.ts';
import { createProject, type Project } from '../helpers/project.ts';
import { at } from '../helpers/scenario.ts';
import { memory } from '../helpers/scratch-tree.ts';

const slugs = ['a', 'b', 'c', 'd'];
const slug = fc.constantFrom(...slugs);

/** What people and the tool do, one after the other. */
type Step =
  | { do: 'write'; side: Side; slug: string }
  | { do: 'delete'; side: Side; slug: string }
  | { do: 'rename'; side: Side; slug: string; to: string }
  | { do: 'run'; direction: Direction; source: Source }
  | { do: 'resolve'; how: Side; slug: string }
  | { do: 'undo' }
  | { do: 'commit' }
  | { do: 'switch'; branch: string };

const side = fc.constantFrom<Side>('file', 'row');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), side, slug }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), side, slug }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('rename' as const), side, slug, to: slug }) },
  { weight: 4, arbitrary: fc.constant<Step>({ do: 'run', direction: 'sync', source: 'cli' }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('run' as const),
      direction: fc.constantFrom<Direction>('export', 'import', 'sync'),
      source: fc.constantFrom<Source>('cli', 'hook', 'watcher'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('resolve' as const), how: side, slug }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'undo' }) },
  { weight: 2, arbitrary: fc.constant<Step>({ do: 'commit' }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('switch' as const), branch: fc.constantFrom('main', 'other') }) },
);

/** Both sides at one moment: text by slug. */
interface Sides {
  file: Map<string, string>;
  row: Map<string, string>;
}

async function look(project: Project): Promise<Sides> {
  const files = Object.entries(await project.files()).map(
    ([path, text]) => [path.slice('db/pages/en/'.length, -'.html'.length), text] as const,
  );
  const rows = await project.db.sql('SELECT slug, body FROM pages');
  return { file: new Map(files), row: new Map(rows.map((row) => [String(row.slug), String(row.body)])) };
}

let texts = 0;

/** What a person does with files, rows and git; what is impossible just does not happen. */
async function work(project: Project, did: Step): Promise<void> {
  const { repo, db } = project;
  const sides = await look(project);
  if (did.do === 'write') {
    const text = `text ${texts++}`;
    if (did.side === 'file') await project.write(at(did.slug), text);
    else if (sides.row.has(did.slug)) await db.sql('UPDATE pages SET body = ? WHERE slug = ?', [text, did.slug]);
    else await db.sql("INSERT INTO pages (type, lang, slug, body) VALUES ('page', 'en', ?, ?)", [did.slug, text]);
  } else if (did.do === 'delete') {
    if (did.side === 'row') await db.sql('DELETE FROM pages WHERE slug = ?', [did.slug]);
    else if (sides.file.has(did.slug)) await repo.remove(at(did.slug));
  } else if (did.do === 'rename') {
    if (!sides[did.side].has(did.slug) || sides[did.side].has(did.to)) return;
    if (did.side === 'file') await repo.move(at(did.slug), at(did.to));
    else await db.sql('UPDATE pages SET slug = ? WHERE slug = ?', [did.to, did.slug]);
  } else if (did.do === 'commit') await repo.commit();
  else if (did.do === 'switch') await repo.git('switch', '--quiet', did.branch).catch(() => ''); // git refuses where it would lose something
}

/** What the tool does; `batches` are those of this history that can be taken back. */
async function act(context: Context, did: Step, batches: string[]): Promise<void> {
  const limits = { dryRun: false, lockTimeout: 30_000 };
  if (did.do === 'undo') {
    const txid = batches.pop();
    if (txid) await undo(context, { txid, ...limits });
    return;
  }
  const report =
    did.do === 'run'
      ? await run(context, {
          ...defaultRequest,
          command: did.direction,
          direction: did.direction,
          source: did.source,
          allowMassChange: true,
        })
      : did.do === 'resolve' && (await resolve(context, { paths: [at(did.slug)], how: did.how, ...limits }));
  if (report && report.txid) batches.push(report.txid);
}

/** A history's books: what both sides agreed on at some time, and what only the history still has. */
interface Books {
  agreed: Set<string>;
  gone: Set<string>;
}

/** Whatever the tool did: no text is lost, and none was replaced that the other side had never seen. */
async function audit(project: Project, context: Context, did: Step, before: Sides, books: Books): Promise<void> {
  const now = await look(project);
  const present = new Set([...now.file.values(), ...now.row.values()]);
  for (const text of [...before.file.values(), ...before.row.values()]) if (!present.has(text)) books.gone.add(text);
  for (const text of books.gone) assert.ok(present.has(text) || (await context.state.blob(digest(Buffer.from(text)))), `"${text}" is lost`);
  if (did.do === 'run') {
    for (const which of ['file', 'row'] as const) {
      const still = new Set(now[which].values());
      for (const text of before[which].values())
        assert.ok(still.has(text) || books.agreed.has(text), `"${text}" of a ${which} was replaced though nobody had settled it`);
    }
  }
  for (const [name, text] of now.file) if (now.row.get(name) === text) books.agreed.add(text);
}

async function reset(project: Project, context: Context, start: string): Promise<void> {
  const { repo, db } = project;
  await repo.git('checkout', '--quiet', '--force', '--detach', start);
  await rm(join(repo.path, 'db'), { recursive: true, force: true });
  for (const branch of ['main', 'other']) await repo.git('branch', '--quiet', '--force', branch, start);
  await repo.git('switch', '--quiet', 'main');
  await db.sql('DELETE FROM pages');
  await context.state.forgetBase();
  await context.state.setMeta({ head: null });
}

it('whatever people and the tool do in turns, no text is lost or replaced unseen, and two syncs end in rest', async (t) => {
  // Thousands of runs would only wait for the disk.
  process.env.TMPDIR = memory();
  const project = await createProject(t, { engine: 'sqlite' });
  const start = await project.repo.commit('Start');
  await project.with(async (context) => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 6, maxLength: 16 }), async (steps) => {
      await reset(project, context, start);
      const batches: string[] = [];
      const books: Books = { agreed: new Set(), gone: new Set() };
      const first: Step[] = [
        ...slugs.slice(0, 3).map((name): Step => ({ do: 'write', side: 'file', slug: name })),
        { do: 'run', direction: 'sync', source: 'cli' },
        { do: 'commit' },
      ];
      const last: Step = { do: 'run', direction: 'sync', source: 'cli' };
      for (const did of [...first, ...steps, last]) {
        const before = await look(project);
        if (did.do === 'run' || did.do === 'resolve' || did.do === 'undo') {
          await act(context, did, batches);
          await audit(project, context, did, before, books);
        } else await work(project, did);
      }
      const settled = await look(project);
      const report = await run(context, { ...defaultRequest, command: 'sync', direction: 'sync', allowMassChange: true });
      assert.deepEqual(report.changes, [], 'a second sync has nothing to do');
      assert.deepEqual(await look(project), settled);
      const open = new Set([...report.conflicts, ...report.skipped].map(({ path }) => path));
      if (open.size === 0) assert.deepEqual(settled.file, settled.row, 'without conflicts both sides are the same');
    });
    const seed = Number(process.env.SYNC_RUN_TEST_SEED ?? 20_260_102);
    await fc.assert(property, { seed, numRuns: Number(process.env.SYNC_RUN_TEST_HISTORIES ?? 120), endOnFailure: false });
  });
});
