import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { connect as connectTo } from '../../src/store/mysql/connect.ts';
import { unlessSilent } from '../../src/store/mysql/silence.ts';
import { openStore } from '../../src/store/open.ts';
import { parseUrl } from '../../src/store/url.ts';
import { useMariadb } from '../helpers/mariadb.ts';
import { openBench, shape } from '../helpers/stores.ts';

useMariadb();
const PAGES = 'CREATE TABLE pages (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(120) NOT NULL, body MEDIUMTEXT) ENGINE=InnoDB';

/** A way to the server that can fall silent: nothing arrives any more, and nobody says so. */
async function openRelay(t: TestContext, url: string): Promise<{ url: string; silence(): void }> {
  const { port, hostname } = new URL(url);
  const sockets: Socket[] = [];
  const relay = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.push(from);
      from.on('error', () => undefined).pipe(to);
    }
  }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    relay.close();
  });
  const through = Object.assign(new URL(url), { port: String((relay.address() as AddressInfo).port) });
  return {
    url: through.href,
    silence() {
      for (const socket of sockets) socket.unpipe().pause();
    },
  };
}

test('a connection that went silent while it was idle is replaced by a new one', async (t) => {
  const { url, sql } = await openBench(t, 'innodb', PAGES);
  await sql("INSERT INTO pages (name, body) VALUES ('a', 'text')");
  const relay = await openRelay(t, url);
  const store = await openStore(relay.url, '/');
  t.after(() => store.close());
  const read = () => store.read((session) => session.scan(shape('pages')));
  assert.equal((await read()).length, 1);
  relay.silence();
  assert.equal((await read()).length, 1);
});

test('a connection that goes silent in the middle of a statement counts as lost', async (t) => {
  const { url } = await openBench(t, 'innodb', PAGES);
  const relay = await openRelay(t, url);
  const target = parseUrl(relay.url, '/');
  assert.ok(target.kind === 'mysql');
  const link = await connectTo(target, undefined, 1_000);
  t.after(() => link.close());
  await link.command('START TRANSACTION');
  relay.silence();
  await assert.rejects(link.execute('SELECT 1', []), { code: 'UNREACHABLE', message: /was lost: Nothing arrived for 1 s$/ });
  assert.deepEqual([await link.inTransaction(), await link.alive()], [false, false]);
});

test('an answer that comes slowly is waited for', async () => {
  const socket = { bytesRead: 0 };
  const answer = Promise.withResolvers<string>();
  let ticks = 0;
  const timer = setInterval(() => {
    socket.bytesRead++;
    if (++ticks === 10) answer.resolve('all of it');
  }, 20);
  assert.equal(await unlessSilent(socket, 100, answer.promise), 'all of it');
  clearInterval(timer);
});
