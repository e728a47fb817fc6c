#!/usr/bin/env node
// Nothing is imported statically here: an older Node.js must get as far as the line that says which one is needed.
import type { Terminal } from './terminal.ts';

const needed = [22, 22] as const;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  const message = `Needs Node.js ${needed.join('.')} or newer, but this is ${process.versions.node}`;
  const hint = 'Install a newer one from https://nodejs.org';
  if (process.argv.includes('--json')) console.log(JSON.stringify({ error: { code: 'RUNTIME', message, hint } }));
  process.stderr.write(`sync-run: ${message}. ${hint}\n`);
  process.exitCode = 2;
} else {
  const { createTerminal } = await import('./terminal.ts');
  const { runCli } = await import('./run-cli.ts');
  const terminal: Terminal = createTerminal(process);
  await terminal.end(await runCli(terminal));
}
