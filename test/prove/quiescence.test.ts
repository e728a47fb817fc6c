import assert from 'node:assert/strict';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import type { Context } from '../../src/runner/context.ts';
import type { Report } from '../../src/runner/report.ts';
import { defaultRequest } from '../../src/runner/request.ts';
import { run } from '../../src/runner/run.ts';
import { runHook } from '../../src/runner/run-hook.ts';
import { createPagesProject, type Direction, type Pages } from '../crash/pages.ts';
import { filesOf, intentOf, startRun } from '../crash/rig.ts';
import { useMariadb } from '../helpers/mariadb.ts';
import { engines, exitOf, pagesConfig, type Project } from '../helpers/project.ts';
import { addPages, at, bodies, conflicts, setBody, skips } from '../helpers/scenario.ts';
import { full, seed, survived } from './cases.ts';

useMariadb();

const TABLES = ['pages', 'sync_run_tree'];
const STATEMENTS = ['INSERT', 'UPDATE', 'DELETE'];

/** Has the database note each row that is written, also where it is written as it was. */
async function noteWrites({ db }: Project): Promise<void> {
  const isSqlite = db.engine === 'sqlite';
  // Notes of a transaction that is rolled back stay, but for SQLite.
  await db.sql(`CREATE TABLE noted (what VARCHAR(50) NOT NULL)${isSqlite ? '' : ' ENGINE=MyISAM'}`);
  for (const table of TABLES) {
    for (const statement of STATEMENTS) {
      const note = `INSERT INTO noted (what) VALUES ('${statement} ${table}')`;
      const body = isSqlite ? `BEGIN ${note}; END` : `FOR EACH ROW ${note}`;
      await db.sql(`CREATE TRIGGER noted_${table}_${statement} BEFORE ${statement} ON ${table} ${body}`);
    }
  }
}

const stateFolder = ({ repo }: Project): string => join(repo.path, '.git/sync-run');

/** Every file and folder of the working tree and of git, as the file system knows them. */
async function disk(project: Project): Promise<Map<string, string>> {
  const top = project.repo.path;
  const entries = await readdir(top, { recursive: true, withFileTypes: true });
  const paths = ['', ...entries.map((entry) => join(entry.parentPath, entry.name).slice(top.length + 1))];
  // The state is looked at by itself; beside it stand who has the lock, and what the hooks' stub may know.
  const seen = paths.filter((path) => !`${path}/`.startsWith('.git/sync-run/'));
  const known = seen.map(async (path) => {
    const { ino, mtimeNs, ctimeNs, size } = await lstat(join(top, path), { bigint: true });
    return [path, [ino, mtimeNs, ctimeNs, size].join(' ')] as const;
  });
  return new Map(await Promise.all(known));
}

/** What `work` wrote anywhere: rows, files, the state. */
async function writesOf(project: Project, work: () => Promise<unknown>): Promise<string[]> {
  await project.db.sql('DELETE FROM noted');
  const before = await disk(project);
  // Changes for an open connection with whatever another one commits (https://sqlite.org/pragma.html#pragma_data_version).
  const state = new DatabaseSync(join(stateFolder(project), 'state.db'), { readOnly: true });
  try {
    const version = state.prepare('PRAGMA data_version');
    const { data_version: old } = version.get()!;
    await work();
    const after = await disk(project);
    const touched = [...new Set([...before.keys(), ...after.keys()])].filter((path) => before.get(path) !== after.get(path));
    const rows = await project.db.sql('SELECT what FROM noted');
    return [
      ...rows.map(({ what }) => String(what)),
      ...touched.map((path) => `"${path}"`),
      ...(version.get()!.data_version === old ? [] : ['the state']),
    ];
  } finally {
    state.close();
  }
}

/** Runs of every direction write nothing, and find the same as the last one. */
async function assertQuiet(project: Project, what: string, last?: Report): Promise<void> {
  const reports: Report[] = [];
  const again = async (context: Context): Promise<void> => {
    for (const direction of ['sync', 'export', 'import'] as const) {
      reports.push(await run(context, { ...defaultRequest, command: direction, direction }));
    }
  };
  const written = await writesOf(project, () => project.with(again));
  assert.deepEqual(written, [], `a second run writes nothing after ${what}`);
  for (const { command, txid } of reports) assert.equal(txid, null, `a second ${command} is no batch after ${what}`);
  const [sync] = reports;
  if (last && sync) {
    assert.deepEqual(conflicts(sync), conflicts(last), `the conflicts stay after ${what}`);
    assert.deepEqual(skips(sync), skips(last), `what is refused stays so after ${what}`);
  }
  const left = Object.keys(await filesOf(project)).filter((path) => path.includes('.sync-run-'));
  assert.deepEqual(left, [], `nothing is left over after ${what}`);
}

/** One run, which has something to do and does it. */
async function runOf(project: Project, direction: Direction): Promise<Report> {
  const report = await project.run(direction);
  assert.equal(exitOf(report), 0, JSON.stringify(report));
  assert.notEqual(report.txid, null, `the ${direction} has something to do`);
  return report;
}

/** What git calls, done here. */
async function hook({ repo, env }: Project, name: string, ...args: string[]): Promise<void> {
  const indexFile = name === 'pre-commit' ? join(repo.path, '.git/index') : null;
  const options = { cwd: repo.path, env, mode: 'write' as const, signal: new AbortController().signal };
  const { exit, lines: said } = await runHook(options, { hook: name, args, indexFile });
  assert.equal(exit, 0, said.join('\n'));
  assert.match(said.join('\n'), /^Brought \d+ change/, `${name} has something to do`);
}

const lines = (first: string, last: string): string => `${first}\n1\n2\n3\n${last}\n`;

/** Each leaves a tree in which nothing is to be done any more; returns the last report where that has something to say. */
const kinds: Record<string, (project: Pages) => Promise<Report | void>> = {
  async 'an export'(project) {
    await project.change('export');
    await runOf(project, 'export');
  },
  async 'an import'(project) {
    await project.change('import');
    await runOf(project, 'import');
  },
  async 'a sync with edits, ends, additions and new names on both sides'(project) {
    await project.change('sync');
    await runOf(project, 'sync');
  },
  async 'an undo that was undone'(project) {
    await project.change('sync');
    await runOf(project, 'sync');
    const { txid } = await project.undo();
    await project.undo(txid ?? '');
  },
  async 'an undo, and a sync that does the same again'(project) {
    await project.change('sync');
    await runOf(project, 'sync');
    await project.undo();
    const written = await writesOf(project, () => project.run('sync', { source: 'watcher' }));
    assert.deepEqual(written, [], 'a second run writes nothing after an undo, by itself');
    await runOf(project, 'sync');
  },
  async 'a sync of one item, renamed on one side and edited on the other'(project) {
    await project.repo.move(at('edit'), at('anew'));
    await setBody(project.db, 'edit', 'by hand\n');
    await runOf(project, 'sync');
    await project.db.sql("UPDATE pages SET slug = 'edit' WHERE slug = 'anew'");
    await project.write(at('anew'), `edit ${project.age.files}\n`);
    await runOf(project, 'sync');
  },
  async 'the same edit on both sides'(project) {
    await project.write(at('edit'), 'the same\n');
    await setBody(project.db, 'edit', 'the same\n');
    assert.equal((await project.run('sync')).adopted, 1);
  },
  async 'a conflict'(project) {
    await project.write(at('edit'), 'by an editor\n');
    await setBody(project.db, 'edit', 'by hand\n');
    const report = await project.run('sync');
    assert.deepEqual(conflicts(report), [at('edit')]);
    return report;
  },
  async 'its end by the file'(project) {
    await project.resolve('file', at('edit'));
    assert.equal((await bodies(project.db)).edit, 'by an editor\n');
  },
  async 'the end of another one by the row'(project) {
    await project.write(at('edit'), 'by an editor again\n');
    await setBody(project.db, 'edit', 'by hand again\n');
    await project.resolve('row', at('edit'));
    assert.equal(await project.read(at('edit')), 'by hand again\n');
  },
  async 'a merge of both texts'(project) {
    await project.write(at('edit'), lines('a', 'z'));
    await runOf(project, 'import');
    await project.write(at('edit'), lines('A', 'z'));
    await setBody(project.db, 'edit', lines('a', 'Z'));
    assert.equal(exitOf(await project.resolve('merge', at('edit'))), 0);
    assert.equal(await project.read(at('edit')), lines('A', 'Z'));
    assert.equal((await bodies(project.db)).edit, lines('A', 'Z'));
  },
  async 'files that are refused by name'(project) {
    await project.write(at('no%2fform'), 'a name in no form of ours\n');
    await project.write('db/elsewhere/page.html', 'no item\n');
    const report = await project.run('sync');
    assert.ok(report.skipped.length > 0, JSON.stringify(report));
    return report;
  },
  async 'their end'(project) {
    await project.repo.remove(at('no%2fform'));
    await project.repo.remove('db/elsewhere');
    await project.run('sync');
  },
  async 'a changed mapping that moves all files'(project) {
    const [mapping] = pagesConfig.mappings;
    await project.configure({ ...pagesConfig, mappings: [{ ...mapping, path: 'pages/{slug}.{lang}.html' }] });
    await runOf(project, 'sync');
  },
  async 'the way back'(project) {
    await project.configure(pagesConfig);
    await runOf(project, 'sync');
  },
  async 'a commit that was checked, and was made'(project) {
    await project.repo.commit('All of it');
    await project.run('sync');
    await project.write(at('edit'), 'of a commit\n');
    await addPages(project.db, { row: 'added by hand\n' });
    await project.repo.git('add', '--all');
    await hook(project, 'pre-commit');
    const written = await writesOf(project, () => project.run('import'));
    assert.deepEqual(written, [], 'a second run writes nothing after pre-commit');
    await project.repo.git('commit', '--quiet', '--message', 'Work');
    await runOf(project, 'sync');
  },
  async 'a switch to a branch with other texts, and without one'(project) {
    await project.repo.commit('Start');
    await project.repo.git('switch', '--quiet', '--create', 'branch');
    await project.write(at('edit'), 'of the branch\n');
    await project.write(at('branch'), 'only of the branch\n');
    await project.repo.commit('Of the branch');
    await hook(project, 'post-checkout', '0', '0', '1');
    await assertQuiet(project, 'a commit on a branch');
    await project.repo.git('switch', '--quiet', 'main');
    await hook(project, 'post-checkout', '0', '0', '1');
    assert.ok(!('branch' in (await bodies(project.db))));
  },
  async 'a merge'(project) {
    await project.repo.git('merge', '--quiet', 'branch');
    await hook(project, 'post-merge', '0');
    assert.equal((await bodies(project.db)).branch, 'only of the branch\n');
  },
};

/** The sample is one of them; with the seed of the mutants that is InnoDB. */
const chosen = full ? engines : engines.filter((_, n) => n === seed % engines.length);

describe('after', { concurrency: true }, () => {
  for (const engine of chosen) {
    describe(`on ${engine}`, () => {
      it('a run of any kind leaves nothing to do for the next', async (t) => {
        const project = await createPagesProject(t, engine);
        await noteWrites(project);
        for (const [kind, work] of Object.entries(kinds)) await assertQuiet(project, kind, (await work(project)) ?? undefined);
        survived(t, { cases: Object.keys(kinds).length });
      });

      it('nor does one that ends what a killed one began', async (t) => {
        const project = await createPagesProject(t, engine);
        await noteWrites(project);
        await project.change('sync');
        const whole = await (await startRun(project, { request: { direction: 'sync' }, killAt: Number.MAX_SAFE_INTEGER })).go();
        assert.equal(whole?.exit, 0, whole?.message);
        // From the first staged file on there is something to end.
        const first = whole.names.indexOf('open');
        const parts = full ? [0.3, 0.5, 0.75, 0.95] : [0.4, 0.9];
        let interrupted = 0;
        for (const part of parts) {
          await project.change('sync');
          const killAt = first + Math.floor(part * (whole.names.length - first));
          await (await startRun(project, { request: { direction: 'sync' }, killAt })).go();
          if (await intentOf(project)) interrupted += 1;
          assert.equal(exitOf(await project.run('sync')), 0);
          await assertQuiet(project, `the end of what was killed before step ${killAt} (${whole.names[killAt - 1]})`);
        }
        assert.ok(interrupted > 0, 'some runs were killed in the middle of a batch');
        survived(t, { cases: parts.length, detail: `${interrupted} in the middle of a batch` });
      });
    });
  }
});
