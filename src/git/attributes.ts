import { read, within, type Repository } from './repository.ts';

/**
 * The paths below `root` whose newlines git may change on checkout or commit: those whose attribute `text` is not unset, by whatever line of
 * whatever file (gitattributes(5)).
 *
 * @param examples paths that need not be there, besides those in the index
 */
export async function convertiblePaths(repo: Repository, root: string, examples: readonly string[]): Promise<string[]> {
  const [tracked, untracked] = await Promise.all([
    read(repo, ['ls-files', '--eol', '-z', ...within(root)]),
    read(repo, ['check-attr', '-z', 'text', '--', ...examples]),
  ]);
  // What has no content of its own, such as a submodule, has nothing after `i/`.
  const found = tracked.stdout.split('\0').flatMap((record) => {
    const [, attributes, path] = /^i\/\S+ .*?\battr\/(.*?) *\t(.*)$/s.exec(record) ?? [];
    return path === undefined || attributes?.split(' ')[0] === '-text' ? [] : [path];
  });
  const fields = untracked.stdout.split('\0');
  const named = examples.filter((_, n) => fields[n * 3 + 2] !== 'unset');
  return [...new Set([...found, ...named])];
}
