import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { describe, it, type TestContext } from 'node:test';
import { run } from '../../src/runner/run.ts';
import { defaultRequest } from '../../src/runner/request.ts';
import { undo } from '../../src/runner/undo.ts';
import { type RunChild, startRun } from '../crash/rig.ts';
import { createProject, pagesConfig, type Project } from '../helpers/project.ts';
import { addPages, assertQuiet, at, bodies, conflicts, setBody } from '../helpers/scenario.ts';
import { until } from '../helpers/site.ts';

interface Slow {
  project: Project;
  /** Switches to the branch `other`; resolves once git has looked at all files, and has yet to write over `home`. */
  switchHalfway(): Promise<{ end(): Promise<void> }>;
}

/** Two branches whose pages differ, and a git that stops while it writes `about`, which comes before `home`. */
async function slowSwitch(t: TestContext): Promise<Slow> {
  const project = await createProject(t, { engine: 'sqlite' });
  const { repo, db } = project;
  await addPages(db, { about: 'about\n', home: 'home\n' });
  await project.run('sync');
  await repo.write('.gitattributes', `db/** -text\n${at('about')} filter=slow\n`);
  await repo.commit('Begin');
  await repo.git('switch', '--quiet', '--create', 'other');
  await project.write(at('about'), 'about of other\n');
  await project.write(at('home'), 'home of other\n');
  await repo.commit('Other');
  await repo.git('switch', '--quiet', 'main');
  const [script, begun, go] = [repo.beside('slow'), repo.beside('begun'), repo.beside('go')];
  await writeFile(script, `#!/bin/sh\ncat\n: >'${begun}'\nwhile [ -e '${begun}' ] && [ ! -e '${go}' ]; do sleep 0.02; done\n`);
  await chmod(script, 0o755);
  await repo.git('config', 'filter.slow.smudge', `'${script}'`);
  return {
    project,
    async switchHalfway() {
      const git = spawn('git', ['switch', '--quiet', 'other'], { cwd: repo.path, env: repo.env, stdio: ['ignore', 'ignore', 'inherit'] });
      const ended = once(git, 'close');
      await until('git has begun to write', () => existsSync(begun));
      return {
        async end() {
          await writeFile(go, '');
          assert.deepEqual(await ended, [0, null], 'git did not notice anything');
        },
      };
    },
  };
}

/** A run of this kind that waits before it keeps the first file it replaces; what it writes is ready by then. */
async function pausedAtFiles(t: TestContext, project: Project, direction: 'export' | 'undo'): Promise<RunChild> {
  const whole = await (await startRun(project, { request: { direction }, killAt: Number.MAX_SAFE_INTEGER })).go();
  const link = whole?.names.indexOf('link') ?? -1;
  assert.ok(link >= 0, whole?.message);
  const child = await startRun(project, { request: { direction }, pauseAt: 1 + link });
  t.after(() => child.kill());
  return child;
}

describe('git at work while a batch puts files in place', () => {
  it('leaves an export of what git is about to write over a conflict, not a text that is taken for given up', async (t) => {
    const { project, switchHalfway } = await slowSwitch(t);
    // The same once before, to learn at which step it puts files in place.
    await setBody(project.db, 'home', 'first edit of the row\n');
    const child = await pausedAtFiles(t, project, 'export');
    await project.repo.commit('First edit');
    await setBody(project.db, 'home', 'an edit of the row\n');
    const over = child.go();
    await child.paused();
    const git = await switchHalfway();
    child.resume();
    const said = await over;
    const { code, message, report: told } = said ?? assert.fail('The export was killed');
    assert.equal(told?.conflicts.length, 1, `base does not advance while git is at work ${code ?? ''} ${message}`);
    await git.end();
    assert.equal(await project.read(at('home')), 'home of other\n', 'git wrote over what was put in place');

    const report = await project.run('sync');
    assert.deepEqual(conflicts(report), [at('home')]);
    assert.deepEqual(await bodies(project.db), { about: 'about of other\n', home: 'an edit of the row\n' });
    assert.equal(await project.read(at('home')), 'home of other\n');
  });

  it('that is over by the end, and wrote over nothing, is no conflict', async (t) => {
    const { project } = await slowSwitch(t);
    await setBody(project.db, 'home', 'first edit of the row\n');
    const child = await pausedAtFiles(t, project, 'export');
    await setBody(project.db, 'home', 'an edit of the row\n');
    const over = child.go();
    await child.paused();
    await project.repo.git('commit', '--quiet', '--all', '--message', 'Meanwhile');
    child.resume();
    const said = await over;
    assert.deepEqual([said?.exit, said?.report?.conflicts], [0, []], said?.message);
    assert.equal(await project.read(at('home')), 'an edit of the row\n');
    await assertQuiet(project);
  });

  it('holds up an undo as it does a run', async (t) => {
    const { project, switchHalfway } = await slowSwitch(t);
    for (const text of ['one\n', 'two\n', 'three\n']) {
      await setBody(project.db, 'home', text);
      await project.run('sync');
    }
    const child = await pausedAtFiles(t, project, 'undo');
    await project.repo.commit('Two');
    const over = child.go();
    await child.paused();
    const git = await switchHalfway();
    child.resume();
    const said = await over;
    assert.equal(said?.report?.conflicts.length, 1, `${said?.exit} ${said?.code}: ${said?.message}`);
    await git.end();
    const row = (await bodies(project.db)).home;
    const report = await project.run('sync');
    assert.deepEqual(conflicts(report), [at('home')]);
    assert.equal((await bodies(project.db)).home, row);
    assert.equal(await project.read(at('home')), 'home of other\n');
  });
});

describe('a configuration that changes while a command waits', () => {
  const moved = { ...pagesConfig, root: 'texts' };

  for (const what of ['run', 'undo'] as const) {
    it(`stops a ${what}, which would understand one branch by that of another`, async (t) => {
      const project = await createProject(t, { engine: 'sqlite' });
      await addPages(project.db, { home: 'home\n' });
      await project.run('sync');
      await project.write(at('home'), 'edited\n');
      await project.run('sync');
      const before = await project.files();
      await project.with(async (context) => {
        await project.configure(moved);
        const limits = { dryRun: false, lockTimeout: 1_000 };
        const work =
          what === 'undo'
            ? undo(context, { txid: null, ...limits })
            : run(context, { ...defaultRequest, ...limits, command: 'import', direction: 'import', allowMassChange: true });
        await assert.rejects(work, { code: 'UNSTABLE', message: 'sync-run.config.json changed meanwhile; nothing was changed' });
      });
      assert.deepEqual(await bodies(project.db), { home: 'edited\n' });
      await project.configure(pagesConfig);
      assert.deepEqual(await project.files(), before);
    });
  }
});
