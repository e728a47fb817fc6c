import assert from 'node:assert/strict';
import { chmod, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { startMariadb, useMariadb } from '../helpers/mariadb.ts';
import { pagesConfig } from '../helpers/project.ts';
import { at, setBody } from '../helpers/scenario.ts';
import { createSite, type Site, type SiteOptions, until } from '../helpers/site.ts';

useMariadb();

const long = Array.from({ length: 30 }, (_unused, n) => `line ${n}\n`).join('');
const pages = { home: 'home\n', about: 'about\n', long };

async function committing(t: TestContext, watched: boolean, options: Partial<SiteOptions> = {}): Promise<Site> {
  const site = await createSite(t, { pages, ...options });
  if (!watched) return site;
  const runner = await site.runner();
  await runner.seen.until((events) => events.some(({ type }) => type === 'batch-applied'));
  await runner.idle();
  return site;
}

/** Commits, and returns how that ended. No hook of ours may have touched the index. */
async function commit(site: Site, args: readonly string[], input?: string): Promise<{ code: number; said: string; head: boolean }> {
  const before = await site.repo.git('rev-parse', 'HEAD');
  const { code, stderr } = await site.gitRun(['commit', '--quiet', '--message', 'Work', ...args], input);
  assert.deepEqual(await site.touched(), []);
  const said = stderr
    .split('\n')
    .filter((line) => line.startsWith('sync-run: '))
    .join('\n');
  return { code, said, head: (await site.repo.git('rev-parse', 'HEAD')) !== before };
}

const row = async (site: Site, slug: string): Promise<string | undefined> => (await site.rows())[slug];

for (const watched of [false, true]) {
  describe(watched ? 'with a runner' : 'without a runner', { concurrency: 4 }, () => {
    it('commit -a brings the files to their rows', async (t) => {
      const site = await committing(t, watched);
      await site.write(at('home'), 'edited\n');
      await site.repo.remove(at('about'));
      const { code, head } = await commit(site, ['--all']);
      assert.deepEqual({ code, head }, { code: 0, head: true });
      assert.deepEqual(await site.rows(), { home: 'edited\n', long });
      assert.equal((await site.status()).inSync, 2);
    });

    it('commit <path> brings that path to its row', async (t) => {
      const site = await committing(t, watched);
      await site.write(at('home'), 'edited\n');
      await site.write(at('about'), 'edited too\n');
      const { code, head } = await commit(site, [at('home')]);
      assert.deepEqual({ code, head }, { code: 0, head: true });
      assert.equal(await row(site, 'home'), 'edited\n');
      if (watched) await until('the other file is in its row', async () => (await row(site, 'about')) === 'edited too\n');
      else assert.equal(await row(site, 'about'), 'about\n');
    });

    it('commit -p of a part of a file leaves the file alone and names it', async (t) => {
      const site = await committing(t, watched);
      await site.write(at('home'), 'edited\n');
      const text = long.replace('line 1\n', 'first\n').replace('line 28\n', 'second\n');
      await site.write(at('long'), text);
      const { code, said, head } = await commit(site, ['--patch'], 'y\ny\nn\n');
      assert.deepEqual({ code, head }, { code: 0, head: true });
      assert.match(said, /Left alone: "db\/pages\/en\/long\.html": Only part of the file is staged/);
      assert.doesNotMatch(said, /home/);
      assert.equal(await row(site, 'home'), 'edited\n');
      // The runner brought the file when it was saved: rows are what the files are, staged or not.
      if (watched) await until('the file is in its row', async () => (await row(site, 'long')) === text);
      else assert.equal(await row(site, 'long'), long);
    });

    it('a conflict blocks, says how to go on, and --no-verify passes and settles nothing', async (t) => {
      const site = await committing(t, watched);
      await setBody(site.db, 'home', 'by hand');
      await site.write(at('home'), 'edited\n');
      const blocked = await commit(site, ['--all']);
      assert.deepEqual({ code: blocked.code, head: blocked.head }, { code: 1, head: false });
      assert.match(blocked.said, /Conflict: "db\/pages\/en\/home\.html" \(file changed, row changed\)/);
      assert.match(blocked.said, /npx sync-run diff.*npx sync-run resolve --file\|--row\|--merge <path>/);
      assert.match(blocked.said, /The commit is blocked; `git commit --no-verify` commits all the same/);
      const passed = await commit(site, ['--all', '--no-verify']);
      assert.deepEqual(passed, { code: 0, said: '', head: true });
      assert.equal(await row(site, 'home'), 'by hand');
      assert.deepEqual(
        (await site.status()).conflicts.map(({ path }) => path),
        [at('home')],
      );
      // Settled as the message says, the next commit passes.
      const { code, stderr } = await site.cli(['resolve', '--file', at('home')]);
      assert.equal(code, 0, stderr);
      await site.write(at('about'), 'edited\n');
      assert.equal((await commit(site, ['--all'])).code, 0);
      assert.deepEqual(await site.rows(), { home: 'edited\n', about: 'edited\n', long });
    });

    for (const block of [false, true]) {
      it(`a row ahead of a file of the commit is named and ${block ? 'blocks where that is configured' : 'does not block'}`, async (t) => {
        const preCommit = { rowsAhead: block ? 'block' : 'name' };
        const site = await committing(t, watched, block ? { config: { ...pagesConfig, preCommit } } : {});
        await site.write(at('home'), 'edited\n');
        assert.equal((await site.cli(['import'])).code, 0);
        await setBody(site.db, 'home', 'by hand');
        const { code, said, head } = await commit(site, ['--all']);
        assert.deepEqual({ code, head }, block ? { code: 1, head: false } : { code: 0, head: true });
        assert.match(said, /The row is ahead of "db\/pages\/en\/home\.html"/);
        assert.equal(await row(site, 'home'), 'by hand');
      });
    }

    it('an untrusted configuration is one line, and the commit passes', async (t) => {
      const site = await committing(t, watched);
      await site.write('sync-run.config.json', JSON.stringify({ ...pagesConfig, preCommit: { rowsAhead: 'block' } }));
      await site.write(at('home'), 'edited\n');
      const { code, said, head } = await commit(site, ['--all']);
      assert.deepEqual({ code, head }, { code: 0, head: true });
      assert.match(said, /^sync-run: [^\n]*has not been trusted[^\n]*$/);
      assert.equal(await row(site, 'home'), 'home\n');
    });

    it('under a pause a commit is checked and nothing is written; resuming brings it', async (t) => {
      const site = await committing(t, watched);
      assert.equal((await site.cli(['pause', '--reason', 'upgrade'])).code, 0);
      await site.write(at('home'), 'edited\n');
      const { code, said, head } = await commit(site, ['--all']);
      assert.deepEqual({ code, head }, { code: 0, head: true });
      assert.match(said, /Paused/);
      await setBody(site.db, 'about', 'by hand');
      await site.write(at('about'), 'edited\n');
      assert.equal((await commit(site, ['--all'])).code, 1);
      assert.deepEqual(await site.rows(), { ...pages, about: 'by hand' });
      assert.equal((await site.cli(['resume'])).code, 0);
      if (!watched) assert.equal((await site.cli(['import'])).code, 1);
      await until('the file is in its row', async () => (await row(site, 'home')) === 'edited\n');
      assert.equal(await row(site, 'about'), 'by hand');
    });

    it('deletions and renames of the commit under way reach the rows already before it is made', async (t) => {
      const site = await committing(t, watched);
      const id = async (slug: string) => (await site.db.sql('SELECT id FROM pages WHERE slug = ?', [slug]))[0]?.['id'];
      const before = await id('long');
      await site.repo.git('rm', '--quiet', at('about'));
      await site.repo.git('mv', at('long'), at('longer'));
      // Later in the same hook nothing can tell whether git goes on: what it sees is before the commit.
      const { hooksDir, noted } = {
        hooksDir: (await site.repo.git('rev-parse', '--git-path', 'hooks')).trim(),
        noted: site.repo.beside('seen'),
      };
      await writeFile(`${site.repo.path}/${hooksDir}/commit-msg`, `#!/bin/sh\n: >'${noted}'\nexit 1\n`);
      await chmod(`${site.repo.path}/${hooksDir}/commit-msg`, 0o755);
      const { code, head } = await commit(site, []);
      assert.deepEqual({ code, head }, { code: 1, head: false });
      assert.deepEqual(await site.rows(), { home: 'home\n', longer: long });
      assert.equal(await id('longer'), before);
    });

    it('a commit and an amend that touch no mapped path start no runtime', async (t) => {
      // A run after the commit knows that nothing is left to do for it.
      const site = await committing(t, watched, { prepare: async () => {} });
      await site.write('README', 'text\n');
      await site.repo.git('add', 'README');
      assert.deepEqual(await commit(site, []), { code: 0, said: '', head: true });
      await site.repo.git('commit', '--quiet', '--amend', '--message', 'Better');
      assert.deepEqual(await site.fired(), ['pre-commit', 'post-commit', 'pre-commit', 'post-commit', 'post-rewrite']);
      assert.deepEqual(await site.started(), []);
    });

    it('in the middle of a rebase the post-hooks do nothing', async (t) => {
      const site = await committing(t, watched, {
        async prepare({ repo }) {
          await repo.git('switch', '--quiet', '--create', 'other');
          await repo.write(at('home'), 'other\n');
          await repo.commit('Other');
          await repo.git('switch', '--quiet', '--create', 'trunk', '@{-1}');
          await repo.write(at('home'), 'trunk\n');
          await repo.commit('Trunk');
        },
      });
      await assert.rejects(site.repo.git('rebase', '--quiet', 'other'));
      await site.repo.git('checkout', '--quiet', 'other', '--', at('home'));
      assert.deepEqual(await site.fired(), ['post-checkout', 'post-checkout']);
      assert.equal(await row(site, 'home'), 'trunk\n');
      await site.repo.git('rebase', '--abort');
    });

    it('in a submodule', async (t) => {
      const site = await committing(t, watched, { where: 'submodule' });
      await site.write(at('home'), 'edited\n');
      assert.deepEqual((await commit(site, ['--all'])).code, 0);
      assert.equal(await row(site, 'home'), 'edited\n');
      assert.deepEqual(await site.fired(), ['pre-commit', 'post-commit']);
    });

    it('a database that says nothing any more blocks where that is configured', async (t) => {
      const own = await startMariadb();
      t.after(() => own.stop());
      const site = await committing(t, watched, {
        config: { ...pagesConfig, preCommit: { unreachable: 'block' } },
        engine: 'innodb',
        server: own,
      });
      await site.write(at('home'), 'edited\n');
      process.kill(Number(await readFile(join(dirname(own.socket), 'pid'), 'utf8')), 'SIGSTOP');
      const { code, said, head } = await commit(site, ['--all']);
      assert.deepEqual({ code, head }, { code: 1, head: false }, said);
      assert.match(said, /The commit is blocked because/);
    });

    for (const insist of [false, true]) {
      it(`an unreachable database ${insist ? 'blocks where that is configured' : 'is one line, and the commit passes'}`, async (t) => {
        const config = insist ? { ...pagesConfig, preCommit: { unreachable: 'block' } } : pagesConfig;
        const own = watched ? await startMariadb() : null;
        const site = await committing(t, watched, { config, ...(own ? { engine: 'innodb', server: own } : {}) });
        if (own) await own.stop();
        else await rename(site.repo.beside('site.db'), site.repo.beside('away.db'));
        await site.write(at('home'), 'edited\n');
        const { code, said, head } = await commit(site, ['--all']);
        assert.deepEqual({ code, head }, insist ? { code: 1, head: false } : { code: 0, head: true }, said);
        assert.match(said, /^sync-run: [^\n]+$/);
        if (insist) assert.match(said, /The commit is blocked because "preCommit": \{"unreachable": "block"\} is set/);
      });
    }
  });
}
