import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { TOKEN_FILE } from '../../src/runner/protocol.ts';
import { scratchFolder } from '../helpers/runner-parts.ts';
import { survived } from './cases.ts';
import { type Call, noStrace, parseTrace } from './tracing.ts';

const CALLS = 'mkdir mkdirat fsync fdatasync rename renameat renameat2 link linkat clone clone3'.split(' ');

/** What `init` and a runner do first in a tree that has no state folder yet. */
const script = `
  import { writeUrl } from ${source('state/secrets.ts')};
  import { ensureToken } from ${source('runner/token.ts')};
  const [, folder] = process.argv;
  await writeUrl(folder, 'sqlite:forum.db');
  await ensureToken(folder);
`;

function source(path: string): string {
  return JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);
}

it('the URL, the token and the folder they are in are durable, and whole before they have their names', async (t) => {
  const reason = await noStrace();
  if (reason) return t.skip(reason);
  const above = await scratchFolder(t);
  const [folder, log] = [join(above, 'state'), join(above, 'calls.log')];
  const trace = ['-f', '-y', '-e', `trace=${CALLS.join(',')}`, '-o', log];
  await promisify(execFile)('strace', [...trace, process.execPath, '--input-type=module', '--eval', script, folder]);
  const text = await readFile(log, 'utf8');
  const calls = parseTrace(text, [...text.matchAll(/^\d+/gm)].map(Number)).filter(({ error }) => !error);
  const isSynced = (some: readonly Call[], path: string | undefined): boolean =>
    some.some((call) => call.name.endsWith('sync') && call.path === path);
  const [made, url, token] = [folder, join(folder, 'url'), join(folder, TOKEN_FILE)].map((path) => {
    const at = calls.findIndex(({ strings }) => strings.at(-1) === path);
    assert.ok(at >= 0, `"${path}" gets its name`);
    return { before: calls.slice(0, at), after: calls.slice(at + 1), temp: calls[at]?.strings[0] };
  });
  assert.ok(made && url && token);
  assert.ok(isSynced(made.after, above), 'the name of the state folder is durable');
  assert.ok(isSynced(url.before, url.temp), 'the URL is durable before it has its name');
  assert.ok(isSynced(url.after, folder), 'the name of the URL is durable');
  assert.ok(isSynced(token.before, token.temp), 'the token is durable before it has its name');
  survived(t, { cases: 4 });
});
