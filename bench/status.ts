/**
 * How quickly a runner answers `status` while it applies a batch of many items, and how late its event loop is meanwhile.
 *
 *   npm run bench -- status [items]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRunner } from '../src/runner/client.ts';
import type { RunnerStatus } from '../src/runner/runner.ts';
import { cliCommand, runCli } from '../test/helpers/cli.ts';
import { percentiles, withSite } from '../test/helpers/bench-site.ts';

const [items = '10000'] = process.argv.slice(2);
/** In milliseconds, between two questions. */
const EVERY = 10;

await withSite(Number(items), async ({ repo, stateFolder, env }) => {
  const [program, ...args] = cliCommand();
  const runner = spawn(program, [...args, 'hold', '--', 'cat'], { cwd: repo, env, stdio: ['pipe', 'inherit', 'inherit'] });
  try {
    const ask = async () => {
      for (;;) {
        const found = await connectRunner({ stateFolder, version: '0.1.0', who: 'bench status' });
        if (found) return found;
        await sleep(50);
      }
    };
    const client = await ask();
    for (let n = 0; n < Number(items); n += 1) await writeFile(join(repo, `db/pages/en/page-${n}.html`), `another text of page ${n}\n`);
    const measure = async (until: Promise<unknown>): Promise<number[]> => {
      let over = false;
      void until.finally(() => (over = true));
      const taken: number[] = [];
      while (!over) {
        const asked = performance.now();
        await client.status();
        taken.push(performance.now() - asked);
        await sleep(EVERY);
      }
      return taken;
    };
    const idle = await measure(sleep(3_000));
    const before = ((await client.status()) as RunnerStatus).figures.eventLoop;
    const batch = runCli(['import'], { cwd: repo, env });
    const busy = await measure(batch);
    const { code, stdout, stderr } = await batch;
    if (code !== 0) throw new Error(stderr);
    const { figures } = (await client.status()) as RunnerStatus;
    client.close();
    console.log(`${stdout.trim()}\n\nAnswers of "status" in milliseconds, Node ${process.version}`);
    console.table({ 'while nothing is to do': percentiles(idle), [`during the batch of ${items}`]: percentiles(busy) });
    console.log('How late the event loop of the runner was, in milliseconds, before and with the batch');
    console.table({ before, after: figures.eventLoop });
  } finally {
    const ended = once(runner, 'close');
    runner.stdin.end();
    await ended;
  }
});
