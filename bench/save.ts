/**
 * From saving one file to its verified row, with `sync-run watch` as a process of its own and MariaDB on the same machine.
 *
 *   npm run bench -- save [saves] [pages]
 *
 * The clock starts before the file is written and stops when the runner tells that the batch is applied, which it does once row and file
 * were read back. The control is a timer of the same length as the quiet time, asked for in between: how late it is tells how busy the
 * machine is.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRunner } from '../src/runner/client.ts';
import type { RunnerEvent } from '../src/runner/events.ts';
import { DEFAULT_QUIET } from '../src/watch/settle.ts';
import { cliCommand } from '../test/helpers/cli.ts';
import { percentiles, withSite } from '../test/helpers/bench-site.ts';

const [saves = '200', pages = '1000'] = process.argv.slice(2);

await withSite(Number(pages), async ({ repo, stateFolder, env }) => {
  const [program, ...args] = cliCommand();
  const runner = spawn(program, [...args, 'watch'], { cwd: repo, env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(runner.stdout, 'data');
    const client = await connectRunner({ stateFolder, version: '0.1.0', who: 'bench save' });
    if (!client) throw new Error('There is no runner');
    const stop = new AbortController();
    let applied = (_event: RunnerEvent): void => {};
    const over = client.subscribe((event) => {
      if ((event as RunnerEvent).type === 'batch-applied') applied(event as RunnerEvent);
    }, stop.signal);
    const taken: number[] = [];
    const inBatch: number[] = [];
    const late: number[] = [];
    for (let n = -5; n < Number(saves); n += 1) {
      const done = new Promise<RunnerEvent>((resolve) => {
        applied = (event) => {
          if (event.type === 'batch-applied' && event.items === 1) resolve(event);
        };
      });
      const started = performance.now();
      await writeFile(join(repo, `db/pages/en/page-${Math.abs(n) % Number(pages)}.html`), `saved ${n} at ${started}\n`);
      const event = await done;
      const ms = performance.now() - started;
      const asked = performance.now();
      await sleep(DEFAULT_QUIET);
      // The first ones warm connections and code up.
      if (n < 0) continue;
      taken.push(ms);
      late.push(performance.now() - asked - DEFAULT_QUIET);
      if (event.type === 'batch-applied') inBatch.push(event.ms);
    }
    stop.abort();
    client.close();
    await over;
    console.log(`${saves} saves among ${pages} pages, Node ${process.version}; milliseconds`);
    const rows = { 'save to verified row': taken, 'of that the batch itself': inBatch, 'a timer, how late': late };
    console.table(Object.fromEntries(Object.entries(rows).map(([name, all]) => [name, percentiles(all)])));
    const { p50 } = percentiles(taken);
    console.log(`The quiet time is ${DEFAULT_QUIET} ms, ${Math.round((DEFAULT_QUIET / p50) * 100)} % of the median`);
  } finally {
    const ended = once(runner, 'close');
    runner.kill('SIGTERM');
    await ended;
  }
});
