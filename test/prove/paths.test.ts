import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { normalize } from 'node:path';
import { it } from 'node:test';
import { findCollisions } from '../../src/core/collisions.ts';
import { matchPath, parsePattern, renderPath } from '../../src/core/pattern.ts';
import { runProgram } from '../helpers/cli.ts';
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
  for (let n = 0; n < NAMES; n++) {
    const name = nameFrom(random);
    const pattern = patterns[n % patterns.length]!;
    const rendered = renderPath(pattern, { name });
    if (!('path' in rendered)) {
      counts.refused += 1;
      continue;
    }
    const { path } = rendered;
    counts.paths += 1;
    assert.deepEqual(matchPath(pattern, path), { values: { name } }, `${JSON.stringify(path)} gives ${JSON.stringify(name)} back`);
    assert.equal(normalize(path), path, `${JSON.stringify(path)} leads nowhere else`);
    assert.ok(isUtf8(Buffer.from(path)) && path.isWellFormed(), `${JSON.stringify(path)} can be written as bytes`);
    for (const segment of path.split('/')) assert.ok(Buffer.byteLength(segment) <= 255, `${JSON.stringify(segment)} fits in a directory`);
    names.set(path, name);
  }
  // The judge is git itself, with what it knows of Windows and macOS switched on.
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
  const twins = new Set(findCollisions(names.keys()).flat());
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
