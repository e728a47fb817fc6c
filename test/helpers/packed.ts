import { execFile } from 'node:child_process';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const top = fileURLToPath(new URL('../../', import.meta.url));

/** Builds and packs the package into `folder`, beside the working tree, so that a build of somebody else is not disturbed. Returns the tarball. */
export async function packInto(folder: string): Promise<string> {
  const copy = join(folder, 'package');
  await mkdir(copy, { recursive: true });
  for (const name of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'schema.json', 'hooks', 'docs']) {
    await cp(join(top, name), join(copy, name), { recursive: true });
  }
  await run(join(top, 'node_modules/node/bin/node'), [join(top, 'scripts/build.ts'), join(copy, 'dist')]);
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: copy });
  return join(folder, stdout.trim());
}
