import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { cliCommand } from './cli.ts';
import { type Site, until } from './site.ts';

/** A program of its own, ended with the test at the latest. */
export function startProgram(t: TestContext, site: Site, args: readonly string[]) {
  const [program, ...first] = cliCommand();
  const env = { ...site.repo.env, XDG_RUNTIME_DIR: site.repo.beside('home'), NO_COLOR: '1' };
  const child = spawn(program, [...first, ...args], { cwd: site.repo.path, env, stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += String(data)));
  const ended = once(child, 'close').then(([code, signal]) => (code as number | null) ?? String(signal));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, ended, said: () => said };
}

/** `sync-run watch` as a process, once it watches. */
export async function startWatch(t: TestContext, site: Site, ...more: string[]) {
  const program = startProgram(t, site, ['watch', ...more]);
  await until('it watches', () => program.said().includes('Watching;') || program.child.exitCode !== null);
  assert.equal(program.child.exitCode, null, program.said());
  return program;
}
