import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { digest } from '../../src/core/digest.ts';
import { SyncError } from '../../src/core/errors.ts';
import { readBytes, readFileSeen } from '../../src/tree/read.ts';
import { scanTree } from '../../src/tree/scan.ts';
import { createThreads } from '../../src/tree/threads.ts';
import { createProject, type Database } from '../helpers/project.ts';
import { memory, scratchTree } from '../helpers/scratch-tree.ts';
import { full, survived } from './cases.ts';
import { startSwapper } from './swapping.ts';

process.env.TMPDIR = memory();

const skip = process.platform === 'linux' ? false : 'only where folders are opened by descriptors nobody can swap them';
const OUTSIDE = 'a secret from outside';
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

it('a folder or a file that is swapped for a link while it is read gives nothing of what the link leads to', { skip }, async (t) => {
  const inside = ['db/s/a', 'db/s/b', 'db/s/deep/c', 'db/t/d', 'db/t/e'];
  const outside = inside.map((path) => path.replace('db/', 'outside/'));
  const of = (path: string): string => `the text of ${path}`;
  const tree = await scratchTree(t, Object.fromEntries(inside.map((path) => [path, of(path)])));
  for (const path of outside) await tree.write(path, `${OUTSIDE} ${path}`);
  for (const path of ['outside/s/own', 'outside/s/deep/own', 'outside/folder/own']) await tree.write(path, OUTSIDE);
  await using swapper = startSwapper([
    { path: tree.at('db/s'), away: tree.at('away-s'), target: tree.at('outside/s') },
    { path: tree.at('db/t/d'), away: tree.at('away-d'), target: tree.at('outside/t/d') },
  ]);
  await swapper.pause();
  const threads = createThreads({ from: 1 });
  t.after(() => threads.close());
  const counts = { read: 0, refused: 0, absent: 0 };
  const isRefused = (error: unknown): null => {
    assert.ok(error instanceof SyncError, `reading failed with something else: ${String(error)}`);
    counts.refused += 1;
    return null;
  };
  swapper.resume();
  const rounds = full ? 1_000 : 150;
  for (let round = 0; round < rounds; round++) {
    const scan = await scanTree({ ...tree, executor: round % 3 === 0 ? threads : undefined }).catch(isRefused);
    for (const { path, digest: found } of scan?.files ?? []) {
      assert.ok(inside.includes(path), `a scan names "${path}", which is outside`);
      assert.equal(found, digest(Buffer.from(of(path))), `a scan reads something else than the text of "${path}"`);
      counts.read += 1;
    }
    counts.refused += scan?.skips.length ?? 0;
    for (const path of inside) {
      const seen = await readFileSeen(tree.top, path).catch(isRefused);
      if (seen) assert.equal(textOf(seen.bytes), of(path), `something else is read for "${path}"`);
      counts[seen ? 'read' : 'absent'] += 1;
    }
    const texts = (await readBytes(tree.top, [...inside, 'db/s/own']).catch(isRefused)) ?? new Map<string, Uint8Array>();
    for (const [path, bytes] of texts) {
      assert.equal(textOf(bytes), of(path), `something else is read for "${path}" among many`);
      counts.read += 1;
    }
  }
  await swapper.pause();
  for (const [kind, count] of Object.entries(counts)) assert.ok(count > 0, `nothing was ${kind}: ${JSON.stringify(counts)}`);
  survived(t, { cases: rounds * (2 + inside.length), detail: `${JSON.stringify(counts)}, ${swapper.swapped()} links` });
});

it(
  'runs beside which the folder of the files is swapped for a link to ".git" bring nothing of it to the rows, and change nothing in it',
  { skip },
  async (t) => {
    const setUp = async (db: Database): Promise<void> => {
      await db.sql('CREATE TABLE pages (id INTEGER PRIMARY KEY, slug TEXT, body TEXT)');
      for (const slug of ['HEAD', 'config', 'description', 'plain'])
        await db.sql(`INSERT INTO pages (slug, body) VALUES ('${slug}', 'begin')`);
      await db.sql('CREATE TABLE written (slug TEXT, body TEXT)');
      for (const event of ['INSERT', 'UPDATE'])
        await db.sql(`CREATE TRIGGER on_${event} AFTER ${event} ON pages BEGIN INSERT INTO written VALUES (NEW.slug, NEW.body); END`);
    };
    const mapping = { name: 'pages', table: 'pages', path: 'pages/{slug}', content: 'body' };
    const project = await createProject(t, { engine: 'sqlite', setUp, config: { root: 'db', mappings: [mapping] } });
    const { repo, db } = project;
    await repo.commit('Begin');
    await project.run('sync');
    const inGit = async (): Promise<Record<string, string>> => {
      const entries = await readdir(join(repo.path, '.git'), { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
      const own = files.filter((path) => !path.startsWith(join(repo.path, '.git/sync-run')));
      return Object.fromEntries(await Promise.all(own.map(async (path) => [path, await readFile(path, 'latin1')] as const)));
    };
    const before = await inGit();
    const folder = join(repo.path, 'db/pages');
    await using swapper = startSwapper([{ path: folder, away: repo.beside('away'), target: join(repo.path, '.git') }]);
    await swapper.pause();
    const rounds = full ? 60 : 10;
    const ends = { done: 0, refused: 0 };
    for (let round = 0; round < rounds; round++) {
      await mkdir(dirname(join(folder, 'config')), { recursive: true });
      await writeFile(join(folder, 'config'), `file ${round}`);
      await writeFile(join(folder, 'plain'), `file ${round}`);
      await db.sql(`UPDATE pages SET body = 'row ${round}' WHERE slug IN ('HEAD', 'description')`);
      await db.sql('DELETE FROM written');
      swapper.resume();
      const direction = (['sync', 'import', 'export'] as const)[round % 3]!;
      await project.run(direction, { prefer: round % 2 === 0 ? 'file' : 'row' }).then(
        () => (ends.done += 1),
        (error: unknown) => {
          assert.ok(error instanceof SyncError, `the ${direction} failed with something else: ${String(error)}`);
          ends.refused += 1;
        },
      );
      await swapper.pause();
      for (const { slug, body } of await db.sql('SELECT slug, body FROM written'))
        assert.match(String(body), /^(?:begin|file \d+|row \d+)$/, `the row "${String(slug)}" got something of ".git"`);
      assert.deepEqual(await inGit(), before, `a ${direction} changed something in ".git"`);
    }
    assert.ok(ends.done > 0 && swapper.swapped() > rounds, `runs and links met: ${JSON.stringify(ends)}, ${swapper.swapped()} links`);
    await project.run('sync', { prefer: 'file', allowMassChange: true });
    const files = Object.fromEntries(Object.entries(await project.files()).map(([path, text]) => [path.slice('db/pages/'.length), text]));
    const rows = Object.fromEntries((await db.sql('SELECT slug, body FROM pages')).map(({ slug, body }) => [String(slug), String(body)]));
    assert.deepEqual(rows, files, 'both sides are the same in the end');
    survived(t, { cases: rounds, detail: `${JSON.stringify(ends)}, ${swapper.swapped()} links` });
  },
);
