import { startRunner } from '../../src/runner/runner.ts';

/** A runner that serves hooks and commands, and watches nothing, so that nobody but them gives it work. Says `ready`; ends when it is killed. */
const [cwd = '', runtimeDir = ''] = process.argv.slice(2);
const env = Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, value ?? '']));
await startRunner({
  cwd,
  env,
  mode: 'write',
  signal: new AbortController().signal,
  surroundings: { platform: process.platform, uid: process.getuid?.() ?? null, runtimeDir, home: undefined, tmpdir: runtimeDir },
  command: 'a rig',
  live: false,
  rows: null,
});
process.stdout.write('ready\n');
