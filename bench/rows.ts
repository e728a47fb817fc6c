/**
 * Export and import of many rows against the plain loop a user would write with mysql2, in the same run on the same server.
 *
 *   npm run bench -- rows [count] [bytes]
 *
 * Each measurement runs in a process of its own, so that its peak memory is its own. The plain loops give no guarantee at all:
 * no fsync, no read-back, no base, no history.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMariadb } from '../test/helpers/mariadb.ts';

const [count = '10000', bytes = '4096'] = process.argv.slice(2);
const server = await startMariadb();
const alive = setInterval(() => {}, 60_000); // the server's process alone keeps nothing alive
const folder = await mkdtemp(join(tmpdir(), 'sync-run-bench-'));
try {
  const { url } = await server.createDatabase();
  const step = (name: string): { ms: number; cpuMs: number; peakMiB: number } => {
    const child = spawnSync(
      process.execPath,
      [fileURLToPath(new URL('./rows-child.ts', import.meta.url)), name, url, folder, count, bytes],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    if (child.status !== 0) throw new Error(`The step "${name}" failed`);
    return JSON.parse(child.stdout) as { ms: number; cpuMs: number; peakMiB: number };
  };
  step('set-up');
  const measured = ['plain-export', 'export', 'again', 'plain-import', 'import'].map((name) => ({ name, ...step(name) }));
  console.log(`${count} rows of ${bytes} bytes, Node ${process.version}`);
  console.table(measured);
  const ms = new Map(measured.map(({ name, ms: taken }) => [name, taken]));
  for (const name of ['export', 'import']) {
    console.log(`${name}: ${((ms.get(name) ?? 0) / (ms.get(`plain-${name}`) ?? 1)).toFixed(2)} times the plain loop`);
  }
} finally {
  clearInterval(alive);
  await rm(folder, { recursive: true, force: true });
  await server.stop();
}
