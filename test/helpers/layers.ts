import { isBuiltin } from 'node:module';
import { posix } from 'node:path';

/** What the folders of `src/` may import of ours, besides themselves. A file name stands for that file alone. */
const layers: Record<string, readonly string[]> = {
  core: [],
  sqlite: ['core'],
  config: ['core'],
  store: ['core', 'sqlite'],
  tree: ['core'],
  state: ['core', 'sqlite'],
  git: ['core'],
  watch: ['core'],
  presets: ['core', 'store/store.ts', 'store/sql.ts'],
  runner: ['core', 'config', 'presets', 'store', 'tree', 'state', 'git', 'watch'],
  mcp: ['core', 'config', 'presets', 'store', 'tree', 'state', 'git', 'watch', 'runner'],
  cli: ['core', 'config', 'presets', 'store', 'tree', 'state', 'git', 'watch', 'runner', 'mcp'],
};

/** Third-party packages, and built-in modules that need the same care, with the only folders or files that may import them. */
const onlyHere: Record<string, readonly string[]> = {
  '@clack/prompts': ['cli'],
  '@modelcontextprotocol/server': ['mcp'],
  chokidar: ['watch'],
  commander: ['cli'],
  mysql2: ['store'],
  'node:sqlite': ['sqlite', 'state/lock.ts'],
  'simple-git': ['git'],
  zod: ['config', 'mcp'],
};

/** Pure code may use these: they read no clock, no file, no socket. */
const pureModules = ['node:buffer', 'node:crypto', 'node:path', 'node:path/posix', 'node:util'];

/**
 * The imports of one source file that break a rule of the architecture, each as a readable line.
 *
 * @param path from the repository root, below `src/` or `hooks/`
 */
export function violations(path: string, source: string): string[] {
  return specifiers(source).flatMap((specifier) => {
    const reason = path.startsWith('hooks/') ? refusalInHooks(specifier) : refusal(path, specifier);
    return reason === null ? [] : [`${path} imports "${specifier}": ${reason}`];
  });
}

/** What static and dynamic imports, re-exports and type imports name. */
export function specifiers(source: string): string[] {
  const statements =
    /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
  return [...source.matchAll(statements)].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '');
}

function refusal(path: string, specifier: string): string | null {
  const [, layer = ''] = path.split('/');
  const allowed = layers[layer];
  if (!allowed) return `"src/${layer}" is not a layer`;
  if (!specifier.startsWith('.')) return outsideRefusal(path, layer, specifier);
  if (!specifier.endsWith('.ts')) return 'a relative import ends in ".ts"';
  const target = posix.join(posix.dirname(path), specifier);
  if (!target.startsWith('src/')) return 'it leaves "src"';
  const inner = target.slice('src/'.length);
  const [to = ''] = inner.split('/');
  return to === layer || allowed.includes(to) || allowed.includes(inner) ? null : `"${layer}" may not import "${to}"`;
}

function outsideRefusal(path: string, layer: string, specifier: string): string | null {
  if (isBuiltin(specifier) && !specifier.startsWith('node:')) return 'built-in modules are imported with "node:"';
  if (layer === 'core' && isBuiltin(specifier) && !pureModules.includes(specifier)) return '"core" does no I/O';
  const name = packageOf(specifier);
  const places = onlyHere[name];
  const here = path.slice('src/'.length);
  if (!places || places.includes(layer) || places.includes(here)) return null;
  return `only ${places.map((place) => `"src/${place}"`).join(' and ')} may import "${name}"`;
}

function refusalInHooks(specifier: string): string | null {
  if (specifier.startsWith('.')) return specifier.endsWith('.ts') ? null : 'a relative import ends in ".ts"';
  return specifier.startsWith('node:') ? null : 'a hook imports no third-party package';
}

function packageOf(specifier: string): string {
  if (specifier.startsWith('node:')) return specifier;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}
