import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** The lower end of "engines" in package.json. */
const oldest = '22.22.0';

// Runs the rest of the command line on the oldest Node.js that is supported. The package `node` fetches its binary in an
// install script, which npm 12 refuses to run for npx; the packages with the binaries themselves need none.
const platform = process.platform === 'win32' ? 'win' : process.platform;
const prefix = platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node';
const args = ['--yes', `--package=${prefix}-${platform}-${process.arch}@${oldest}`, '--', 'node', ...process.argv.slice(2)];
const child = spawn('npx', args, { stdio: 'inherit', shell: platform === 'win' });
const [code] = (await once(child, 'exit')) as [number | null];
process.exitCode = code ?? 1;
