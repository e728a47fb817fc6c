import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { readdir } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { it } from 'node:test';
import { findCollisions } from '../../src/core/collisions.ts';
import { matchPath, parsePattern, renderPath } from '../../src/core/pattern.ts';
import { runProgram } from '../helpers/cli.ts';
import { createProject, type Database } from '../helpers/project.ts';
import { createRepository } from '../helpers/repository.ts';
import { full, randomFrom, seed, survived } from './cases.ts';

const NAMES = full ? 100_000 : 10_000;

/** What names are refused for by git, by Windows, by macOS, by shells; and what looks like it. */
const kinds: Record<string, string> = {
  separators: '.. . / \\ : ~ - -- %',
  encoded: '%2F %2f %00',
  shells: '* ? " \' < > | $ ` ; & #',
  git: '.git .GIT .Git git~1 GIT~2 .gitmodules gitmod~1 gi7eba~1 .gitattributes .gitignore .git\u200C .g\u0131t .git. .git:x .git\\x ::$INDEX_ALLOCATION',
  devices: 'CON con. aux NUL.txt COM1 COM¹ LPT9 CONIN$ PRN',
  invisible: '\u0000 \u001B \u007F \u0085 \u200B \u200D \u202E \u2028 \uFEFF \uFFFD \u00AD \uFFFF',
  alike: 'é e\u0301 ß ss SS ﬁ İ ı ſ K Å \uD800 \uDFFF',
  ordinary: '💥 日本 a A b x .html html .sync-run-x ~x',
};
const pieces = [...Object.values(kinds).flatMap((kind) => kind.split(' ')), ' ', '.git ', '\n', '\r', '\t'];
const patterns = ['{name}', '{name}.html', 'pages/{name}.html', '{name}/index.html', 'x{name}', '.{name}'].map(parsePattern);

/**
 * What file systems take as one name, told here and not by the code under test: Unicode forms in either order with simple case, and
 * listed pairs. Names that are not equal under any of these may still be refused.
 */
const folds: readonly ((name: string) => string)[] = [
  (name) => name.normalize('NFC').toLowerCase(),
  (name) => name.normalize('NFD').toLowerCase(),
  (name) => name.toLowerCase().normalize('NFC'),
  (name) => name.toLowerCase().normalize('NFKC'),
  (name) => name.replaceAll('ı', '\0').toUpperCase().normalize('NFC'),
  (name) =>
    name
      .normalize('NFC')
      .toLowerCase()
      .replaceAll('ß', 'ss')
      .replaceAll('ſ', 's')
      .replaceAll('ﬁ', 'fi')
      .replaceAll('ﬂ', 'fl')
      .replaceAll('ς', 'σ'),
  // Windows drops dots and spaces at the end, HFS+ what cannot be seen.
  (name) =>
    name
      .replaceAll(/[\u200B-\u200F\u202A-\u202E\u2060-\u206F\uFEFF]/g, '')
      .replace(/[. ]+$/, '')
      .toLowerCase(),
];

/** Paths that are, or lead through, one name with another of them, or are a file where another needs a folder. */
function twinsOf(paths: readonly string[]): Set<string> {
  const twins = new Set<string>();
  for (const fold of folds) {
    const names = new Map<string, { spellings: Set<string>; paths: Set<string> }>();
    for (const path of paths) {
      const segments = path.split('/');
      for (let depth = 1; depth <= segments.length; depth++) {
        const folded = segments.slice(0, depth).map(fold).join('/');
        const name = names.get(folded) ?? { spellings: new Set(), paths: new Set() };
        names.set(folded, name);
        name.spellings.add(segments.slice(0, depth).join('/') + (depth < segments.length ? '/' : ''));
        name.paths.add(path);
      }
    }
    for (const { spellings, paths: shared } of names.values()) if (spellings.size > 1) for (const path of shared) twins.add(path);
  }
  return twins;
}

/** The name again, and what some file system takes for it. */
function withVariants(name: string): string[] {
  const variants = [
    name.toUpperCase(),
    name.toLowerCase(),
    name.normalize('NFC'),
    name.normalize('NFD'),
    name.replaceAll('ß', 'SS'),
    name.replaceAll('ss', 'ß'),
    name.replaceAll('ﬁ', 'FI'),
    name.replaceAll(/s/gi, 'ſ'),
    `${name}.`,
    `${name} `,
    `${name}\u200D`,
  ];
  return [name, ...new Set(variants.filter((variant) => variant !== name))];
}

function nameFrom(random: () => number): string {
  const length = 1 + Math.floor(random() * 5);
  const piece = (): string =>
    random() < 0.9 ? pieces[Math.floor(random() * pieces.length)]! : String.fromCodePoint(1 + Math.floor(random() * 0xfffe));
  return Array.from({ length }, piece)
    .join('')
    .repeat(random() < 0.01 ? 60 : 1);
}

it('any name becomes a path that git takes on every platform, and that gives the name back, or is refused', async (t) => {
  const random = randomFrom(seed);
  const names = new Map<string, string>();
  const counts = { paths: 0, refused: 0 };
  let variants: string[] = [];
  let pattern = patterns[0]!;
  for (let n = 0; n < NAMES; n++) {
    // The variants of a name are for the same pattern, or they would be no twins.
    if (variants.length === 0) {
      const drawn = nameFrom(random);
      variants = random() < 0.05 ? withVariants(drawn) : [drawn];
      pattern = patterns[n % patterns.length]!;
    }
    const name = variants.pop()!;
    const rendered = renderPath(pattern, { name });
    if (!('path' in rendered)) {
      counts.refused += 1;
      continue;
    }
    for (const segment of rendered.path.split('/'))
      assert.doesNotMatch(segment, /[. ]$/, `${JSON.stringify(segment)} ends as it is on Windows`);
    const { path } = rendered;
    counts.paths += 1;
    assert.deepEqual(matchPath(pattern, path), { values: { name } }, `${JSON.stringify(path)} gives ${JSON.stringify(name)} back`);
    assert.equal(normalize(path), path, `${JSON.stringify(path)} leads nowhere else`);
    assert.ok(isUtf8(Buffer.from(path)) && path.isWellFormed(), `${JSON.stringify(path)} can be written as bytes`);
    for (const segment of path.split('/')) assert.ok(Buffer.byteLength(segment) <= 255, `${JSON.stringify(segment)} fits in a directory`);
    names.set(path, name);
  }
  // The judge of twins is this file's own.
  const twins = twinsOf([...names.keys()]);
  const found = new Set(findCollisions(names.keys()).flat());
  assert.deepEqual(
    [...twins].filter((path) => !found.has(path)),
    [],
    'paths that are one name on some file system are found',
  );
  assert.ok(twins.size > NAMES / 100, `${twins.size} share a name`);
  // The judge of names is git itself, with what it knows of Windows and macOS switched on.
  const repo = await createRepository();
  t.after(() => repo.cleanup());
  const blob = (await repo.git('hash-object', '-w', '-t', 'blob', '/dev/null')).trim();
  const strict = ['-c', 'core.protectNTFS=true', '-c', 'core.protectHFS=true'];
  const add = (paths: string[]): ReturnType<typeof runProgram> =>
    runProgram('git', [...strict, 'update-index', '--add', '-z', '--index-info'], {
      cwd: repo.path,
      env: repo.env,
      input: paths.map((path) => `100644 ${blob}\tdb/${path}\0`).join(''),
    });
  // A file where another path needs a folder is a matter of collisions; one pattern at a time has none.
  const single = [...names.keys()].filter((path) => !twins.has(path));
  assert.deepEqual(
    [(await add(single)).stderr, (await add([...twins].filter((path) => !path.includes('/')))).stderr],
    ['', ''],
    'git takes every path',
  );
  assert.match((await add(['.GIT/x'])).stderr, /Ignoring path/, 'git would say so');
  assert.ok((await repo.git('ls-files', '-z')).split('\0').length > single.length, 'they are all in the index');
  survived(t, { cases: NAMES, detail: `${counts.paths} paths, ${counts.refused} refused, ${twins.size} share a name on some file system` });
});

it('of rows whose names are one on some file system none gets a file, whatever else is written', async (t) => {
  const random = randomFrom(seed + 1);
  const drawn = new Set<string>();
  // Text columns of SQLite hold no half of a surrogate pair, and the driver of the test no NUL.
  const isHeld = (name: string): boolean => name.isWellFormed() && !name.includes('\0') && name !== '';
  while (drawn.size < (full ? 4_000 : 500)) {
    const name = nameFrom(random);
    for (const variant of random() < 0.3 ? withVariants(name) : [name]) if (isHeld(variant)) drawn.add(variant);
  }
  const names = [...drawn];
  const setUp = async (db: Database): Promise<void> => {
    await db.sql('CREATE TABLE pages (id INTEGER PRIMARY KEY, slug TEXT, body TEXT)');
    const rows = names.map((name, index) => `(CAST(x'${Buffer.from(name).toString('hex')}' AS TEXT), 'body ${index}')`);
    await db.sql(`INSERT INTO pages (slug, body) VALUES ${rows.join(', ')}`);
  };
  const mapping = { name: 'pages', table: 'pages', path: 'pages/{slug}', content: 'body' };
  const project = await createProject(t, { engine: 'sqlite', setUp, config: { root: 'db', mappings: [mapping] } });
  let accepted = 0;
  for (const direction of ['export', 'sync'] as const) {
    const report = await project.run(direction, { allowMassChange: true });
    const entries = await readdir(join(project.repo.path, 'db'), { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    assert.deepEqual([...twinsOf(files)], [], `the ${direction} wrote files that are one on some file system`);
    const refused = report.skipped.length;
    assert.equal(files.length + refused, names.length, `after the ${direction} each row has a file or is named`);
    const rows = await project.db.sql('SELECT COUNT(*) AS n FROM pages');
    assert.equal(Number(rows[0]?.n), names.length, `the ${direction} left all rows`);
    accepted = files.length;
  }
  assert.ok(accepted > names.length / 10 && accepted < names.length, `${accepted} of ${names.length} have files`);
  survived(t, { cases: names.length, detail: `${accepted} files, ${names.length - accepted} refused` });
});
