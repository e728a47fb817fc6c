import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/**
 * Why these programs cannot be run, or null. Installs the packages they are in where that is possible.
 *
 * @param programs the package by a program that is in it
 */
export async function missing(programs: Readonly<Record<string, string>>): Promise<string | null> {
  if (process.platform !== 'linux') return 'this is for Linux';
  const absent: string[] = [];
  for (const program of Object.keys(programs)) if (!(await isThere(program))) absent.push(program);
  if (absent.length === 0) return null;
  const packages = [...new Set(absent.map((program) => programs[program]!))];
  const names = packages.map((name) => `"${name}"`).join(', ');
  if (process.getuid?.() !== 0) return `${names} is not installed, and only root can install it`;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    await execute('apt-get', ['update'], { env });
    await execute('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { env, maxBuffer: 64 * 1024 * 1024 });
  } catch (cause) {
    throw new Error(`Installing ${names} failed`, { cause });
  }
  return null;
}

async function isThere(program: string): Promise<boolean> {
  try {
    await execute('sh', ['-c', 'command -v "$0"', program]);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === 1 || (error as { code?: unknown }).code === 127) return false;
    throw error;
  }
}
