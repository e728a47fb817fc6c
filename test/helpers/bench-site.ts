import type { TestContext } from 'node:test';
import { startMariadb } from './mariadb.ts';
import { createSite } from './site.ts';

export interface BenchSite {
  repo: string;
  gitDir: string;
  stateFolder: string;
  env: Record<string, string>;
  git(...args: string[]): Promise<string>;
}

/** A committed working tree with that many pages on a MariaDB of its own, `page-0` and so on; all of it goes afterwards. */
export async function withSite(pages: number, work: (site: BenchSite) => Promise<void>): Promise<void> {
  const server = await startMariadb();
  const alive = setInterval(() => {}, 60_000); // the server's process alone keeps nothing alive
  const cleanups: (() => unknown)[] = [];
  const t = { after: (cleanup: () => unknown) => void cleanups.push(cleanup) } as unknown as TestContext;
  try {
    const site = await createSite(t, {
      engine: 'innodb',
      server,
      pages: {},
      hooks: false,
      async prepare({ db, run, repo }) {
        for (let from = 0; from < pages; from += 1_000) {
          const values = Array.from(
            { length: Math.min(1_000, pages - from) },
            (_unused, n) => `('page', 'en', 'page-${from + n}', 'the text of page ${from + n}\n')`,
          );
          await db.sql(`INSERT INTO pages (type, lang, slug, body) VALUES ${values.join(', ')}`);
        }
        await run('sync');
        await repo.commit('Pages');
      },
    });
    const env = { ...site.repo.env, XDG_RUNTIME_DIR: site.repo.beside('home') };
    await work({ repo: site.repo.path, gitDir: site.gitDir, stateFolder: site.stateFolder, env, git: site.repo.git });
  } finally {
    for (const cleanup of cleanups.toReversed()) await cleanup();
    clearInterval(alive);
    await server.stop();
  }
}

/** In the unit of the values, to one digit. */
export function percentiles(values: readonly number[]): { n: number; p50: number; p95: number; p99: number; max: number } {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN) * 10) / 10;
  return { n: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
