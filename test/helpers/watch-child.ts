import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/watch/clock.ts';
import { watchTree } from '../../src/watch/watcher.ts';

/** Watches the folder it is given, changes one file once it polls, and ends when it was told so. One JSON line per thing told. */
const folder = process.argv[2] ?? '';
const tell = (kind: string, text: string): void => void process.stdout.write(`${JSON.stringify({ kind, text })}\n`);
let told = (): void => {};
const done = new Promise<void>((resolve) => (told = resolve));
let polls = (): void => {};
const polling = new Promise<void>((resolve) => (polls = resolve));
const watcher = await watchTree({
  folder,
  root: join(folder, 'db'),
  ignored: () => false,
  clock: systemClock,
  onHint: ({ path }) => {
    tell('hint', path);
    told();
  },
  onEverything: (reason) => {
    tell('everything', reason);
    if (reason === 'went over to polling') polls();
  },
  onWarning: (message) => tell('warning', message),
});
await polling;
await writeFile(join(folder, 'db', 'd59', 'f'), 'changed text');
await done;
await watcher.close();
