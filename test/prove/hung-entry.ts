import { resolve } from 'node:path';
import { askRunner } from '../../hooks/ask-runner.ts';

/** What a hook calls in place of `hooks/entry.ts`: it asks the runner alike, and waits for less silence of it. */
const [gitDir = '.git', hook = '', ...args] = process.argv.slice(2);
const limits = { patience: 2_000, silence: Number(process.env.RIG_SILENCE) };
const indexFile = hook === 'pre-commit' ? resolve(process.env.GIT_INDEX_FILE ?? resolve(gitDir, 'index')) : null;
const call = { hook, args, indexFile, status: Promise.resolve(null) };
const answer = await askRunner(call, resolve(gitDir, 'sync-run'), limits);
for (const line of answer?.lines ?? ['There is no runner']) process.stderr.write(`sync-run: ${line}\n`);
process.exitCode = answer?.exit ?? 0;
