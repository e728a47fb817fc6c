import assert from 'node:assert/strict';
import { join } from 'node:path';
import { runHere } from '../crash/rig.ts';
import { runCli, runProgram } from '../helpers/cli.ts';
import { projectOf } from '../helpers/project.ts';
import { at } from '../helpers/scenario.ts';
import type { SiteEvent, SiteRunner } from '../helpers/site.ts';
import { news, type Scene, type Told } from './restored-scene.ts';

/** Whoever does something in a tree; after each act it is checked that nothing was written, and that it was said why. */
export interface Actor {
  /** How often that was checked. */
  cases(): number;
  editFile(slug: string, text: string): Promise<void>;
  editRow(slug: string, text: string): Promise<void>;
  /** The three commands that write. */
  commands(): Promise<void>;
  /** Lets git fire its hook. */
  checkout(branch: keyof typeof news, who: string): Promise<void>;
  commit(who: string): Promise<void>;
  startRunner(rows?: number): Promise<SiteRunner>;
  /** Waits for the batch that begins after `act`. */
  batch(runner: SiteRunner, who: string, act: () => Promise<void>): Promise<void>;
}

interface Sides {
  files: Record<string, string>;
  rows: Record<string, unknown>[][];
}

export function createActor({ site, top, other }: Scene, what: string, told: Told): Actor {
  const copy = projectOf({ ...site.repo, path: top, read: (path) => site.repo.read(join(top, path)) }, site.db);
  let cases = 0;

  const sides = async (): Promise<Sides> => {
    const rows: Sides['rows'] = [];
    for (const db of [site.db, other]) {
      rows.push(await db.sql('SELECT * FROM pages ORDER BY id'));
      rows.push(await db.sql('SELECT tree, txid FROM sync_run_tree ORDER BY tree').catch(() => []));
    }
    return { files: await copy.files(), rows };
  };
  const assertUntouched = async (who: string, before: Sides): Promise<void> => {
    cases += 1;
    assert.deepEqual(await sides(), before, `${what}: ${who} wrote something`);
  };
  const git = (...args: string[]) => runProgram('git', args, { cwd: top, env: site.repo.env, input: '' });
  const assertHook = (who: string, exit: number, { code, stderr }: Awaited<ReturnType<typeof git>>): void => {
    assert.equal(code, exit, `${what}: ${who} ends git with another exit code: ${stderr}`);
    assert.match(stderr, told.hook, `${what}: ${who} does not say why`);
  };

  return {
    cases: () => cases,
    editFile: (slug, text) => site.repo.write(join(top, at(slug)), text),
    async editRow(slug, text) {
      for (const db of [site.db, other]) await db.sql(`UPDATE pages SET body = '${text}' WHERE slug = '${slug}'`);
    },
    async commands() {
      const before = await sides();
      const env = { ...site.repo.env, XDG_RUNTIME_DIR: site.repo.beside('home') };
      const { code, stdout, stderr } = await runCli(['sync'], { cwd: top, env });
      await assertUntouched('sync', before);
      const said = `${stdout}${stderr}`;
      assert.equal(code, told.exit, `${what}: sync has another exit code: ${said}`);
      assert.match(said, told.says, `${what}: sync does not say why`);
      for (const direction of ['export', 'import'] as const) {
        const { exit, message, report } = await runHere(copy, { direction }, site.repo.env);
        await assertUntouched(direction, before);
        assert.equal(exit, told.exit, `${what}: ${direction} has another exit code: ${message}`);
        // A process tells of conflicts as the one above did.
        assert.match(report ? 'conflict' : message, told.says, `${what}: ${direction} does not say why`);
      }
    },
    async checkout(branch, who) {
      const before = await sides();
      const ended = await git('switch', '--quiet', branch);
      // What git itself writes.
      before.files[at('news')] = news[branch];
      await assertUntouched(who, before);
      assertHook(who, 0, ended);
    },
    async commit(who) {
      const before = await sides();
      await git('add', '--all');
      const ended = await git('commit', '--quiet', '--message', 'Edit');
      await assertUntouched(who, before);
      assertHook(who, told.blocks ? 1 : 0, ended);
    },
    startRunner: (rows) => site.runner({ cwd: top, env: site.repo.env, rows: rows ?? null }),
    async batch(runner, who, act) {
      const from = runner.seen.all.length;
      await act();
      const before = await sides();
      let events: SiteEvent[] = [];
      await runner.seen.until((all) => {
        const begin = all.findIndex(({ type }, index) => index >= from && type === 'batch-started');
        events = begin < 0 ? [] : all.slice(begin);
        const [started] = events;
        return events.some(
          (event) =>
            (event.type === 'batch-failed' || event.type === 'batch-applied') &&
            started?.type === 'batch-started' &&
            event.manifest === started.manifest,
        );
      });
      await assertUntouched(who, before);
      const why = events.find(({ type }) => type === told.event);
      assert.ok(why, `${what}: ${who} does not say that something is wrong: ${JSON.stringify(events)}`);
      if (why.type === 'batch-failed') assert.match(why.message, told.says, `${what}: ${who} does not say why`);
    },
  };
}
