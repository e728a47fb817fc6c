import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { specifiers, violations } from './helpers/layers.ts';

const top = fileURLToPath(new URL('..', import.meta.url));

async function sources(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const path of glob('{src,hooks}/**/*.ts', { cwd: top }))
    found.set(path.split(sep).join('/'), await readFile(join(top, path), 'utf8'));
  return found;
}

test('every import points down the list of layers, and dangerous packages have one user', async () => {
  const files = await sources();
  assert.ok(files.size > 20, `only ${files.size} files were found`);
  assert.deepEqual(
    [...files].flatMap(([path, source]) => violations(path, source)),
    [],
  );
});

test('what a hook loads before it knows that there is work is free of third-party packages', async () => {
  const files = await sources();
  const seen = new Set<string>();
  const visit = (path: string): string[] => {
    if (seen.has(path)) return [];
    seen.add(path);
    const source = (files.get(path) ?? '').replaceAll(/import\s+type\b[^;]*;/g, '');
    return specifiers(source.replaceAll(/\bimport\(/g, 'later(')).flatMap((specifier) => {
      if (specifier.startsWith('.'))
        return visit(
          relative(top, join(top, dirname(path), specifier))
            .split(sep)
            .join('/'),
        );
      return specifier.startsWith('node:') ? [] : [`${path} imports "${specifier}"`];
    });
  };
  const entries = [...files.keys()].filter((path) => path.startsWith('hooks/'));
  assert.ok(entries.length > 0);
  assert.deepEqual(entries.flatMap(visit), []);
});

test('planted violations are found', () => {
  const planted: [path: string, source: string, found: RegExp | null][] = [
    ['src/core/plan.ts', "import { x } from '../store/store.ts';", /"core" may not import "store"/],
    ['src/core/plan.ts', "import type { X } from '../runner/run.ts';", /"core" may not import "runner"/],
    ['src/core/plan.ts', "import { readFile } from 'node:fs/promises';", /"core" does no I\/O/],
    ['src/core/digest.ts', "import { createHash } from 'node:crypto';", null],
    ['src/tree/scan.ts', "export { x } from '../git/queries.ts';", /"tree" may not import "git"/],
    ['src/tree/scan.ts', "import {\n  a,\n  b,\n} from '../state/state.ts';", /"tree" may not import "state"/],
    ['src/store/mysql.ts', "import mysql from 'mysql2/promise';", null],
    ['src/runner/run.ts', "const mysql = await import('mysql2/promise');", /only "src\/store" may import "mysql2"/],
    ['src/runner/run.ts', "import { simpleGit } from 'simple-git';", /only "src\/git"/],
    ['src/runner/run.ts', "import { DatabaseSync } from 'node:sqlite';", /only "src\/sqlite" and "src\/state\/lock.ts"/],
    ['src/state/lock.ts', "import { DatabaseSync } from 'node:sqlite';", null],
    ['src/state/open.ts', "import { DatabaseSync } from 'node:sqlite';", /only "src\/sqlite"/],
    ['src/runner/run.ts', "import { watch } from 'chokidar';", /only "src\/watch"/],
    ['src/runner/run.ts', "import { x } from '../cli/main.ts';", /"runner" may not import "cli"/],
    ['src/presets/mybb.ts', "import type { Session } from '../store/store.ts';", null],
    ['src/presets/mybb.ts', "import { open } from '../store/mysql.ts';", /"presets" may not import "store"/],
    ['src/mcp/server.ts', "import { x } from '@modelcontextprotocol/server/stdio';", null],
    ['src/cli/main.ts', "import { x } from '@modelcontextprotocol/server/stdio';", /only "src\/mcp"/],
    ['src/cli/main.ts', "import { x } from '../../test/helpers/repository.ts';", /it leaves "src"/],
    ['src/cli/main.ts', "import { x } from './render.js';", /ends in "\.ts"/],
    ['src/cli/main.ts', "import fs from 'fs';", /imported with "node:"/],
    ['src/util/x.ts', "import 'node:fs';", /"src\/util" is not a layer/],
    ['hooks/entry.ts', "import { z } from 'zod';", /a hook imports no third-party package/],
  ];
  for (const [path, source, expected] of planted) {
    const found = violations(path, source);
    if (expected === null) assert.deepEqual(found, [], `${path}: ${source}`);
    else assert.match(found.join('\n'), expected, `${path}: ${source}`);
  }
});
