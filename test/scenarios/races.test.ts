import assert from 'node:assert/strict';
import { open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, it, type TestContext } from 'node:test';
import type { SyncError } from '../../src/core/errors.ts';
import type { Context } from '../../src/runner/context.ts';
import { recover } from '../../src/runner/recovery.ts';
import { defaultRequest, type Request } from '../../src/runner/request.ts';
import { resolve } from '../../src/runner/resolve.ts';
import { run } from '../../src/runner/run.ts';
import { undo } from '../../src/runner/undo.ts';
import type { Report } from '../../src/runner/report.ts';
import { mariadb, useMariadb } from '../helpers/mariadb.ts';
import { createPages, createProject, type Engine, exitOf, pagesConfig, type Project, projectOf } from '../helpers/project.ts';
import { createRepository } from '../helpers/repository.ts';
import { addPages, assertQuiet, at, bodies, conflicts, refusalOf, rowOf, setBody, skips } from '../helpers/scenario.ts';

useMariadb();

async function pages(t: TestContext, engine: Engine = 'sqlite'): Promise<Project> {
  const project = await createProject(t, { engine });
  await addPages(project.db, { home: 'home', about: 'about', news: 'news' });
  await project.run('sync');
  return project;
}

/** The look for an unfinished batch comes before everything else under the lock. */
type Step = 'recovery' | 'intent' | 'rows';

/** Runs a sync and does something else just before the step, once: somebody who works at the same time. */
function meanwhile(project: Project, step: Step, act: () => Promise<void>, request: Partial<Request> = {}): Promise<Report> {
  return project.with((context) =>
    run(disturbed(context, step, act), { ...defaultRequest, command: 'sync', direction: 'sync', ...request }),
  );
}

function disturbed(context: Context, step: Step, act: () => Promise<void>): Context {
  let once: Promise<void> | null = null;
  const before =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A) => {
      await (once ??= act());
      return call(...args);
    };
  const { state, store } = context;
  if (step === 'recovery') return { ...context, state: { ...state, intent: before(state.intent) } };
  if (step === 'intent') return { ...context, state: { ...state, begin: before(state.begin) } };
  return { ...context, store: { ...store, begin: before(store.begin) as typeof store.begin } };
}

describe('a file edited while the batch is under way', () => {
  for (const how of ['saved in place', 'saved by renaming', 'deleted', 'appended to through an open descriptor'] as const) {
    it(`${how}: keeps what was written, and the item asks`, async (t) => {
      const project = await pages(t);
      const path = join(project.repo.path, at('home'));
      await setBody(project.db, 'home', 'from the panel');
      await setBody(project.db, 'about', 'about from the panel');
      const editor = await open(path, 'r+');
      const report = await meanwhile(project, 'intent', async () => {
        if (how === 'saved in place') await writeFile(path, 'just saved');
        else if (how === 'saved by renaming') {
          await writeFile(`${path}~`, 'just saved');
          await rename(`${path}~`, path);
        } else if (how === 'deleted') await project.repo.remove(at('home'));
        else await editor.write('just saved', 0);
      });
      await editor.close();
      assert.deepEqual([conflicts(report), exitOf(report)], [[at('home')], 1]);
      assert.equal(await project.read(at('about')), 'about from the panel', 'the others arrive');
      assert.equal((await rowOf(project.db, 'home'))?.body, 'from the panel');
      if (how === 'deleted') assert.equal(Object.hasOwn(await project.files(), at('home')), false);
      else assert.equal(await project.read(at('home')), 'just saved');
      assert.deepEqual(conflicts(await project.run('sync')), [at('home')], 'and asks again');
      await project.resolve('row', at('home'));
      await assertQuiet(project);
    });
  }

  it('that appears under the new name of a row is never taken for an edit of it', async (t) => {
    for (const again of ['export', 'import', 'sync'] as const) {
      const project = await pages(t);
      await project.db.sql("UPDATE pages SET slug = 'start' WHERE slug = 'home'");
      const report = await meanwhile(project, 'intent', async () => project.write(at('start'), 'mine'));
      assert.equal(exitOf(report), 1);
      assert.deepEqual(conflicts(await project.run(again)), [at('start')], again);
      assert.deepEqual([(await bodies(project.db)).start, await project.read(at('start'))], ['home', 'mine']);
    }
  });

  it('under a name that rows pass on or exchange deletes and overwrites no row', async (t) => {
    for (const renames of [
      { home: 'start', about: 'home' },
      { home: 'tmp', about: 'home', tmp: 'about' },
      { about: 'tmp', home: 'about', tmp: 'home' },
    ]) {
      for (const edited of Object.values(renames).filter((name) => name !== 'tmp')) {
        const project = await pages(t);
        for (const [from, to] of Object.entries(renames)) await project.db.sql('UPDATE pages SET slug = ? WHERE slug = ?', [to, from]);
        const rows = await bodies(project.db);
        const report = await meanwhile(project, 'intent', async () => project.write(at(edited), 'mine'));
        assert.equal(exitOf(report), 1, `${JSON.stringify(renames)}, ${edited}`);
        for (const again of ['import', 'sync', 'sync'] as const) {
          const next = await project.run(again);
          const where = `${JSON.stringify(renames)}, ${edited}, ${again}`;
          assert.deepEqual(await bodies(project.db), rows, `no row is overwritten or deleted: ${where}`);
          assert.equal(exitOf(next), 1, where);
        }
        assert.ok(Object.values(await project.files()).includes('mine'), `${JSON.stringify(renames)}, ${edited}`);
      }
    }
  });

  it('that appears where a new one is to be made is not overwritten', async (t) => {
    const project = await pages(t);
    await addPages(project.db, { fresh: 'from the panel' });
    const report = await meanwhile(project, 'intent', () => project.write(at('fresh'), 'somebody was faster'));
    assert.deepEqual(conflicts(report), [at('fresh')]);
    assert.equal(await project.read(at('fresh')), 'somebody was faster');
    assert.deepEqual(conflicts(await project.run('sync')), [at('fresh')]);
  });

  it('that is edited while it is to be taken back is a conflict, and is not counted, also for who asks again', async (t) => {
    const project = await pages(t);
    await setBody(project.db, 'home', 'from the panel');
    await setBody(project.db, 'about', 'about from the panel');
    const { txid } = await project.run('export');
    const edit = (): Promise<void> => project.write(at('home'), 'just saved');
    const options = { txid: null, dryRun: false, lockTimeout: 30_000 };
    const first = await project.with((context) => undo(disturbed(context, 'intent', edit), options));
    const again = await project.with((context) => undo(context, { ...options, last: txid }));
    for (const report of [first, again]) {
      assert.deepEqual(
        [conflicts(report), report.files.written, report.changes],
        [[at('home')], 1, [{ action: 'write file', path: at('about') }]],
      );
    }
    assert.equal(await project.read(at('home')), 'just saved');
  });

  it('whose row went away in the meantime too is not deleted', async (t) => {
    const project = await pages(t);
    await project.db.sql("DELETE FROM pages WHERE slug = 'home'");
    const report = await meanwhile(project, 'intent', () => project.write(at('home'), 'still needed'));
    assert.deepEqual(conflicts(report), [at('home')]);
    assert.equal(await project.read(at('home')), 'still needed');
    assert.deepEqual(conflicts(await project.run('sync')), [at('home')]);
  });

  it('after it was read for an import: the row has the older text, and the next run brings the newer', async (t) => {
    const project = await pages(t);
    await project.write(at('home'), 'first save');
    const report = await meanwhile(project, 'intent', () => project.write(at('home'), 'second save'));
    assert.equal(exitOf(report), 0);
    const next = await project.run('sync');
    assert.deepEqual([conflicts(next), (await bodies(project.db)).home], [[], 'second save']);
    await assertQuiet(project);
  });
});

describe('a row that moves while the batch is under way', () => {
  for (const engine of ['sqlite', 'innodb', 'myisam'] as const) {
    for (const [what, act, expected] of [
      ['is edited', (project: Project) => setBody(project.db, 'home', 'edited by another'), 'edited by another'],
      ['is deleted', (project: Project) => project.db.sql("DELETE FROM pages WHERE slug = 'home'"), undefined],
      ['leaves the scope', (project: Project) => project.db.sql("UPDATE pages SET type = 'archived' WHERE slug = 'home'"), 'home'],
    ] as const) {
      it(`${what} on ${engine}: a conflict, the rest goes on`, async (t) => {
        const project = await pages(t, engine);
        await project.write(at('home'), 'from the file');
        await project.write(at('about'), 'about from the file');
        const report = await meanwhile(project, 'rows', async () => void (await act(project)));
        assert.deepEqual([conflicts(report), report.rows.written], [[at('home')], 1]);
        assert.equal((await rowOf(project.db, 'home'))?.body, expected);
        assert.equal((await bodies(project.db)).about, 'about from the file');
        assert.equal(await project.read(at('home')), 'from the file');
      });
    }

    it(`is edited in another column on ${engine} and was to be deleted: what is kept of it is the row as it was then`, async (t) => {
      const project = await pages(t, engine);
      await project.repo.remove(at('home'));
      const edit = (): Promise<unknown> => project.db.sql("UPDATE pages SET note = 'edited by another' WHERE slug = 'home'");
      const report = await meanwhile(project, 'rows', async () => void (await edit()));
      assert.deepEqual([conflicts(report), report.rows.deleted], [[], 1]);
      await project.undo();
      assert.equal((await rowOf(project.db, 'home'))?.note, 'edited by another', 'a deleted row is kept as it was when it was deleted');
    });

    it(`moves all the time on ${engine} and is to be deleted: it is left and named, the rest goes on`, async (t) => {
      const project = await pages(t, engine);
      await project.repo.remove(at('home'));
      await project.write(at('about'), 'from the file');
      let reads = 0;
      const count = (): Promise<unknown> => project.db.sql('UPDATE pages SET note = ? WHERE slug = ?', [`read ${++reads} times`, 'home']);
      const report = await project.with(async (context) => {
        const { store } = context;
        const begin = (async (...args) => {
          await count();
          return store.begin(...args);
        }) as typeof store.begin;
        return run({ ...context, store: { ...store, begin } }, { ...defaultRequest, command: 'sync', direction: 'sync' });
      });
      assert.deepEqual([skips(report), exitOf(report), report.rows.written], [{ [at('home')]: 'MOVED' }, 1, 1]);
      assert.deepEqual([(await rowOf(project.db, 'home'))?.body, (await bodies(project.db)).about], ['home', 'from the file']);
      assert.equal((await project.run('sync')).rows.deleted, 1);
      await assertQuiet(project);
    });

    if (engine !== 'myisam')
      it(`is referenced by others on ${engine} since it was to be deleted: it is named and stays`, async (t) => {
        const project = await pages(t, engine);
        const id = engine === 'sqlite' ? 'INTEGER PRIMARY KEY' : 'INT AUTO_INCREMENT PRIMARY KEY';
        await project.db.sql(
          `CREATE TABLE comments (cid ${id}, page INT, CONSTRAINT fk FOREIGN KEY (page) REFERENCES pages (id) ON DELETE CASCADE)`,
        );
        for (const slug of ['home', 'about']) await project.repo.remove(at(slug));
        const comment = (): Promise<unknown> => project.db.sql("INSERT INTO comments (page) SELECT id FROM pages WHERE slug = 'home'");
        const report = await meanwhile(project, 'rows', async () => void (await comment()));
        assert.equal(
          (await project.db.sql('SELECT cid FROM comments')).length,
          1,
          'a comment that was made meanwhile does not go with its page',
        );
        assert.deepEqual([skips(report), report.rows.deleted], [{ [at('home')]: 'REFERENCED' }, 1]);
      });

    it(`appears with the key of a new file on ${engine}: a conflict, and one row`, async (t) => {
      const project = await pages(t, engine);
      await project.write(at('fresh'), 'from the file');
      const report = await meanwhile(project, 'rows', () => addPages(project.db, { fresh: 'by another' }));
      assert.deepEqual(conflicts(report), [at('fresh')]);
      assert.equal((await rowOf(project.db, 'fresh'))?.body, 'by another');
    });
  }

  it('is locked by a transaction that then commits another text: sync waits, looks again, and asks', async (t) => {
    const { project, connection, waiting } = await onServer(t);
    await project.write(at('home'), 'from the file');
    await project.write(at('about'), 'about from the file');
    await connection.query('BEGIN');
    await connection.query("UPDATE pages SET body = 'committed late' WHERE slug = 'home'");
    const sync = project.run('sync');
    await waiting();
    await connection.query('COMMIT');
    const report = await sync;
    const rows = { home: 'committed late', about: 'about from the file', news: 'news' };
    assert.deepEqual(await bodies(project.db), rows, 'a text that was committed meanwhile is not overwritten');
    assert.deepEqual([conflicts(report), report.rows.written], [[at('home')], 1]);
  });

  it('is locked for longer than the run may wait: it says so, and not that something moved', async (t) => {
    const { project, connection } = await onServer(t);
    await project.write(at('home'), 'from the file');
    await connection.query('BEGIN');
    await connection.query("UPDATE pages SET body = 'never' WHERE slug = 'home'");
    const refused = await refusalOf(project.run('sync', { lockTimeout: 1 }));
    assert.equal(refused.code, 'UNREACHABLE');
    assert.match(refused.message, /lock/i);
    await connection.query('ROLLBACK');
    assert.equal(exitOf(await project.run('sync')), 0);
  });

  it('is locked by a transaction that rolls back: sync waits and goes on', async (t) => {
    const { project, connection, waiting } = await onServer(t);
    await project.write(at('home'), 'from the file');
    await connection.query('BEGIN');
    await connection.query("UPDATE pages SET body = 'never' WHERE slug = 'home'");
    const sync = project.run('sync');
    await waiting();
    await connection.query('ROLLBACK');
    assert.equal(exitOf(await sync), 0);
    assert.equal((await bodies(project.db)).home, 'from the file');
    await assertQuiet(project);
  });

  it('is killed away with its connection while it waits: an error, nothing changed, the next run does it', async (t) => {
    const { project, connection, waiting } = await onServer(t);
    await project.write(at('home'), 'from the file');
    await connection.query('BEGIN');
    await connection.query("UPDATE pages SET body = 'never' WHERE slug = 'home'");
    const failed = refusalOf(project.run('sync'));
    const [thread] = await waiting();
    await connection.query(`KILL ${Number(thread?.id)}`);
    assert.ok([3, 5].includes((await failed).exitCode));
    await connection.query('ROLLBACK');
    assert.deepEqual([(await bodies(project.db)).home, await project.read(at('home'))], ['home', 'from the file']);
    assert.equal((await project.run('sync')).rows.written, 1);
    await assertQuiet(project);
  });

  it('in a table without transactions, and is killed away between two rows: the batch stays open, and the next run ends it', async (t) => {
    const { project, connection, stuck } = await onServer(t, 'myisam');
    const slugs = ['home', 'about', 'news'];
    for (const slug of slugs) await project.write(at(slug), `${slug} from the file`);
    await connection.query('DO GET_LOCK(DATABASE(), 0)');
    await connection.query(
      "CREATE TRIGGER t BEFORE UPDATE ON pages FOR EACH ROW SET new.note = IF(new.slug = 'news', GET_LOCK(DATABASE(), 60), new.note)",
    );
    const failed = refusalOf(project.run('sync'));
    const [thread] = await stuck();
    await connection.query(`KILL ${Number(thread?.id)}`);
    assert.equal((await failed).exitCode, 3);
    const rows = await bodies(project.db);
    assert.deepEqual([rows.home, rows.about, rows.news], ['home from the file', 'about from the file', 'news']);
    const intent = await project.with(({ state }) => state.intent());
    assert.notEqual(intent, null, 'a batch that has written some of its rows is not forgotten');
    await connection.query('DROP TRIGGER t');
    await project.run('sync');
    assert.deepEqual(await bodies(project.db), Object.fromEntries(slugs.map((slug) => [slug, `${slug} from the file`])));
    await assertQuiet(project);
  });
});

describe('a batch whose transaction comes late', () => {
  for (const engine of ['sqlite', 'innodb'] as const) {
    it(`on ${engine} is never committed once somebody has settled it as void`, async (t) => {
      const project = await pages(t, engine);
      await project.write(at('home'), 'from the file');
      const settle = (): Promise<void> =>
        project.with(async (other) =>
          assert.equal((await recover(other, { byGit: true, dryRun: false, lockTimeout: 0 }))?.outcome, 'never-happened'),
        );
      const late = await meanwhile(project, 'rows', settle).catch((error: SyncError) => error);
      assert.equal((await bodies(project.db)).home, 'home', 'a batch that was settled as void is never committed');
      assert.equal('code' in late && late.code, 'WRONG_TARGET');
      assert.equal((await project.run('sync')).rows.written, 1);
      await assertQuiet(project);
    });

    it(`on ${engine} writes nothing to a database that was put back to an older state by then`, async (t) => {
      const project = await pages(t, engine);
      await project.write(at('home'), 'first edit');
      await project.run('sync');
      await project.write(at('home'), 'second edit');
      const putBack = async (): Promise<void> => void (await project.db.sql("UPDATE sync_run_tree SET txid = 'older' WHERE tree <> ''"));
      const late = await meanwhile(project, 'rows', putBack).catch((error: SyncError) => error);
      assert.equal((await bodies(project.db)).home, 'first edit', 'rows are written only where the last batch is known');
      assert.equal('code' in late && late.code, 'WRONG_TARGET');
      assert.equal(await project.read(at('home')), 'second edit');
    });
  }
});

describe('a side that moves while a conflict is merged', () => {
  const lines = (first: string, last: string): string => `${first}\n1\n2\n3\n${last}\n`;
  for (const side of ['file', 'row'] as const) {
    for (const step of ['recovery', 'rows'] as const) {
      it(`the ${side}, before ${step === 'rows' ? 'the rows are written' : 'the run begins'}: it stays a conflict, and what was saved is kept`, async (t) => {
        const project = await pages(t);
        await project.write(at('home'), lines('a', 'z'));
        await project.run('sync');
        await project.write(at('home'), lines('A', 'z'));
        await setBody(project.db, 'home', lines('a', 'Z'));
        const later = lines('later', 'later');
        const report = await project.with((context) => {
          const act = (): Promise<void> => (side === 'file' ? project.write(at('home'), later) : setBody(project.db, 'home', later));
          return resolve(disturbed(context, step, act), { paths: [at('home')], how: 'merge', dryRun: false, lockTimeout: 30_000 });
        });
        assert.deepEqual([conflicts(report), exitOf(report)], [[at('home')], 1], 'what was edited since asks again');
        // A file is looked at once more when its turn comes, which is after the rows; they hold the edits of both by then.
        const merged = step === 'rows' ? lines('A', 'Z') : lines('a', 'Z');
        const [file, row] = side === 'file' ? [later, merged] : [lines('A', 'z'), later];
        assert.deepEqual([await project.read(at('home')), (await bodies(project.db)).home], [file, row], 'what was saved meanwhile stays');
      });
    }
  }
});

/** Pages on a server, a second connection, and ways to wait until the sync waits: for a lock of a row, or one that has a name. */
async function onServer(t: TestContext, engine: Engine = 'innodb') {
  const server = await mariadb();
  const database = await server.createDatabase();
  const repo = await createRepository();
  t.after(() => repo.cleanup());
  const project = projectOf(repo, { engine, url: database.url, sql: (text, values = []) => database.sql(text, values) });
  await createPages(project.db);
  await project.configure(pagesConfig);
  await addPages(project.db, { home: 'home', about: 'about', news: 'news' });
  await project.run('sync');
  await project.write(at('news'), 'news edited');
  await project.run('sync');
  await setBody(project.db, 'news', 'news');
  await project.run('sync');
  const some = async (query: string) => {
    for (;;) {
      const threads = await server.sql(`${query} AND db = '${database.name}'`);
      if (threads.length > 0) return threads;
      // The server renews the view of transactions only when nobody has read it for 100 ms.
      await setTimeout(120);
    }
  };
  const waiting = () =>
    some(
      "SELECT trx_mysql_thread_id AS id FROM information_schema.innodb_trx JOIN information_schema.processlist ON id = trx_mysql_thread_id WHERE trx_state = 'LOCK WAIT'",
    );
  const stuck = () => some("SELECT id AS id FROM information_schema.processlist WHERE state = 'User lock'");
  return { project, connection: await database.connect(), waiting, stuck };
}

describe('a file that is away for a moment', () => {
  it('while it is saved keeps its row, whoever looked just then', async (t) => {
    const project = await pages(t);
    await project.repo.remove(at('home'));
    await project.repo.remove(at('about'));
    const back = (): Promise<void> => project.write(at('home'), 'saved by then');
    const report = await meanwhile(project, 'intent', back, { allowMassChange: true });
    assert.deepEqual([report.rows.deleted, report.rows.written, exitOf(report)], [1, 1, 0]);
    assert.deepEqual(await bodies(project.db), { home: 'saved by then', news: 'news' });
    await assertQuiet(project);
  });

  it('and whose name another item takes at the same time is gone all the same', async (t) => {
    const project = await pages(t);
    await project.repo.remove(at('about'));
    await project.repo.move(at('home'), at('about'));
    await project.run('sync', { allowMassChange: true });
    assert.deepEqual(await bodies(project.db), { about: 'home', news: 'news' });
    await assertQuiet(project);
  });
});

describe('a conflict that is settled while its file is edited', () => {
  it('is still one: what was left of it is not taken for settled', async (t) => {
    const project = await pages(t);
    await project.repo.commit('Begin');
    await project.write(at('home'), 'of the file');
    await setBody(project.db, 'home', 'of the row');
    await project.run('sync');
    // Settled for the row on another branch, so that only the record knows of the conflict here.
    await project.repo.commit('Mine');
    await project.repo.git('switch', '--quiet', '--create', 'other', 'HEAD~1');
    await project.resolve('row', at('home'));
    await project.repo.commit('Theirs');
    await project.repo.git('switch', '--quiet', 'main');
    const save = (): Promise<void> => project.write(at('home'), 'saved meanwhile');
    const settling = project.with((context) =>
      resolve(disturbed(context, 'intent', save), { paths: [at('home')], how: 'row', dryRun: false, lockTimeout: 1_000 }),
    );
    assert.deepEqual(conflicts(await settling), [at('home')]);
    await project.run('sync');
    assert.equal((await bodies(project.db)).home, 'of the row', 'the row is not overwritten without asking');
    assert.equal(await project.read(at('home')), 'saved meanwhile');
  });
});
