import { readFile } from 'node:fs/promises';

/** The command lines of the quick start in README.md, in their order. */
export async function quickStart(): Promise<string[]> {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const block = /^<!-- quick start:.*-->\n```sh\n([\s\S]*?)^```$/m.exec(readme)?.[1];
  if (block === undefined) throw new Error('README.md has no block of commands after the mark "quick start"');
  return block.trimEnd().split('\n');
}
