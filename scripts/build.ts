/**
 * Makes what npm gets: the compiled sources, and the entry of the hooks as one file, since git waits while it is loaded.
 *
 *   node scripts/build.ts [folder]
 */
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = fileURLToPath(new URL('..', import.meta.url));
const folder = process.argv[2] ?? join(top, 'dist');

await rm(folder, { recursive: true, force: true });
execFileSync(join(top, 'node_modules/.bin/tsc'), ['-p', join(top, 'tsconfig.build.json'), '--outDir', folder], { stdio: 'inherit' });
const hooks = join(folder, 'hooks');
await build({
  entryPoints: [join(hooks, 'entry.js')],
  outfile: join(hooks, 'entry.cjs'),
  bundle: true,
  platform: 'node',
  // Node starts one sooner than a module, and gets less of its own ready for it.
  format: 'cjs',
  define: { 'import.meta.url': 'ownUrl' },
  banner: { js: "const ownUrl = require('node:url').pathToFileURL(__filename).href;" },
  target: 'esnext',
  // All of sync-run, for a hook that finds no runner.
  external: ['../src/cli/main.js'],
});
for (const part of ['entry.js', 'ask-runner.js']) await rm(join(hooks, part));
await chmod(join(folder, 'src/cli/main.js'), 0o755);
