import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { Deferral } from '../../src/runner/deferral.ts';
import { useMariadb } from '../helpers/mariadb.ts';
import { at } from '../helpers/scenario.ts';
import { createSite, until } from '../helpers/site.ts';

useMariadb();

const slugs = Array.from({ length: 900 }, (_unused, n) => `p${String(n).padStart(3, '0')}`);
const texts = (word: string): Record<string, string> => Object.fromEntries(slugs.map((slug) => [slug, `${word} ${slug}\n`]));

test('a checkout of 900 mapped files: no batch before git is done, then exactly one; the same without a runner', async (t) => {
  const site = await createSite(t, {
    engine: 'innodb',
    pages: texts('first'),
    async prepare({ repo }) {
      await repo.git('branch', 'first');
      await repo.git('switch', '--quiet', '--create', 'second');
      for (const [slug, text] of Object.entries(texts('second'))) await repo.write(at(slug), text);
      await repo.commit('Second');
    },
  });
  const { repo } = site;
  assert.deepEqual(await site.rows(), texts('second'));
  const known = (await site.batches()).length;
  const stop = await stopInTheMiddle(site);

  const runner = await site.runner();
  await runner.seen.until((events) => events.some(({ type }) => type === 'batch-applied'));
  await runner.idle();
  runner.seen.clear();
  const checkout = repo.git('checkout', '--quiet', 'first');
  await until('git is in the middle', stop.reached);
  assert.equal(await repo.read(at('p000')), 'first p000\n');
  assert.equal(existsSync(`${repo.path}/${at('p899')}`) && (await repo.read(at('p899'))) === 'first p899\n', false);
  // What the watcher could bring now has to wait, and is told why.
  const why = await new Promise<Deferral>((resolve) => {
    const entries = [{ path: at('none'), change: 'changed' as const }];
    runner.queue.submit({ id: '', source: 'watcher', direction: 'import', oldHead: null, newHead: null, entries }, { onDeferred: resolve });
  });
  assert.ok(why.kind === 'gate' && why.reasons.some((reason) => reason.why === 'index.lock'));
  assert.deepEqual(
    runner.seen.all.filter(({ type }) => type === 'batch-started'),
    [],
  );
  await stop.release();
  await checkout;
  assert.deepEqual(await site.fired(), ['post-checkout']);
  await until('all rows are those of the branch', async () => (await site.batches()).length > known);
  await runner.seen.until((events) => events.at(-1)?.type === 'batch-applied' && events.some(({ type }) => type === 'gate-open'));
  await runner.idle();
  assert.deepEqual(await site.rows(), texts('first'));
  assert.deepEqual(await site.texts(), texts('first'));
  assert.equal((await site.batches()).length, known + 1);
  assert.deepEqual(
    runner.seen.all.filter((event) => event.type === 'batch-started' && event.markers.length > 0),
    [],
  );
  await runner.close();

  await repo.git('checkout', '--quiet', 'second');
  assert.deepEqual(await site.rows(), texts('second'));
  assert.deepEqual(await site.texts(), texts('second'));
  assert.equal((await site.batches()).length, known + 2);
});

/** Makes the next checkout stop half way, with half of the files written, until it is told to go on. */
async function stopInTheMiddle({ repo, gitDir }: Awaited<ReturnType<typeof createSite>>) {
  const [pipe, begun, script] = ['pipe', 'begun', 'wait.sh'].map((name) => repo.beside(name)) as [string, string, string];
  await promisify(execFile)('mkfifo', [pipe]);
  await writeFile(script, `[ -e '${begun}' ] || { : >'${begun}'; read -r line <'${pipe}'; }\ncat\n`);
  await repo.git('config', 'filter.wait.smudge', `sh '${script}'`);
  await writeFile(`${gitDir}/info/attributes`, `${at('p450')} filter=wait\n`);
  return { reached: () => existsSync(begun), release: () => writeFile(pipe, 'go on\n') };
}
