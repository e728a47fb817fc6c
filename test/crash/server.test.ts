import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { startMariadb, useMariadb } from '../helpers/mariadb.ts';
import { createPages, type Database, pagesConfig, projectOf } from '../helpers/project.ts';
import { createRepository } from '../helpers/repository.ts';
import { cutRound, throughProxy } from './cutting.ts';
import { sample, survived } from '../prove/cases.ts';

useMariadb();

interface Killable {
  port: number;
  db: Database;
  /** Kills the server as the kernel would, and starts it again on the same data. */
  restart(): Promise<void>;
}

async function startKillable(t: TestContext): Promise<Killable> {
  const server = await startMariadb();
  const { url } = await server.createDatabase();
  const folder = dirname(server.socket);
  let pid = Number(await readFile(join(folder, 'pid'), 'utf8'));
  // The same program with the same options.
  const [program = '', ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').slice(0, -1);
  let own: ChildProcess | null = null;
  const isGone = async (): Promise<boolean> => / Z |^$/.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''));
  const kill = async (): Promise<void> => {
    const ended = own && own.exitCode === null && own.signalCode === null ? once(own, 'exit') : null;
    process.kill(pid, 'SIGKILL');
    if (ended) await ended;
    else while (!(await isGone())) await setTimeout(10);
  };
  t.after(async () => {
    if (own) await kill();
    await server.stop();
  });
  const sql: Database['sql'] = async (text, values = []) => {
    const connection = await createConnection({ uri: url, dateStrings: true });
    try {
      const [rows] = await connection.query(text, values);
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
    } finally {
      connection.destroy();
    }
  };
  return {
    port: server.port,
    db: { engine: 'innodb', url, sql },
    async restart() {
      await kill();
      own = spawn(program, args, { stdio: 'ignore' });
      pid = own.pid ?? 0;
      for (const child = own; ;) {
        try {
          await sql('DO 0');
          return;
        } catch (error) {
          if (child.exitCode !== null) throw new Error('The server did not start again', { cause: error });
          await setTimeout(30);
        }
      }
    },
  };
}

it(
  'an import is done exactly once although its server is killed in the middle of it',
  { skip: process.platform !== 'linux' && 'reads /proc' },
  async (t) => {
    const { port, db, restart } = await startKillable(t);
    const repo = await createRepository();
    t.after(() => repo.cleanup());
    await createPages(db);
    const project = projectOf(repo, db);
    await project.configure(pagesConfig);
    const cutting = await throughProxy(t, port, project);
    const commit = await cutting.commitOfBatch();
    const { client } = { ...cutting.proxy.seen };
    const atCut = async (): Promise<void> => {
      await cutting.proxy.cut();
      await restart();
    };
    // COMMIT never arrives; it arrives, and the server dies with the answer or before it has done it.
    assert.equal(await cutRound(cutting, { ...commit, how: 'held', dead: true }, { afterwards: restart }), 'exit 3 (not committed)');
    const ends = [await cutRound(cutting, { ...commit, how: 'delivered', dead: true }, { meanwhile: atCut })];
    // A client that goes on asking while the server comes back.
    ends.push(await cutRound(cutting, { ...commit, how: 'delivered' }, { meanwhile: atCut }));
    for (const n of sample(client, 2, 40))
      ends.push(await cutRound(cutting, { at: 'client', n, how: 'delivered', dead: true }, { meanwhile: atCut }));
    survived(t, { cases: ends.length + 1, detail: ends.join(', ') });
  },
);
