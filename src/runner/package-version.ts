import { readFile } from 'node:fs/promises';

/** The version of this package, as source or built. */
export async function packageVersion(): Promise<string> {
  const up = import.meta.url.endsWith('.ts') ? '../../' : '../../../';
  const text = await readFile(new URL(`${up}package.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
