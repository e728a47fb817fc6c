import type { HookName } from './hooks-names.ts';

/**
 * Our part of a hook script, between two marks. Scripts are handled as latin1, which keeps every byte.
 *
 * A script that ends without a newline gets the block after one and without one at its end, which is how `withoutBlock`
 * knows what to take away again.
 */
const begin = '# >>> sync-run';
const end = '# <<< sync-run';
/** Begins the block in a file that was made for it, and that goes with it. */
const beginMade = `${begin} (made this file)`;

/** What runs the stub of the repository the hook runs in, and nothing in a clone without one: some of these files are committed. */
export function callStub(hook: HookName, args = '"$@"'): string {
  const stub = '"$sync_run/sync-run-hooks/stub.sh"';
  // The stub gets no input, so that the rest of a post-rewrite still finds its own.
  const call = `sh ${stub} ${hook} ${args} </dev/null`;
  return `sync_run=\${GIT_DIR:-.git}
if [ -f "$sync_run/commondir" ]; then IFS= read -r sync_run_common <"$sync_run/commondir" && sync_run=$sync_run/$sync_run_common; fi
if [ -f ${stub} ]; then ${call} || ${hook === 'pre-commit' ? '[ $? -ne 1 ] || exit 1' : ':'}; fi
`;
}

const block = /^# >>> sync-run( \(made this file\))?$(?:(?!^# >>> )[\s\S])*?^# <<< sync-run$/m;

export type BlockPosition = 'start' | 'end';

/** `script` with an up-to-date block; the same text if it has one already. Null makes a new script. */
export function withBlock(script: string | null, hook: HookName, position: BlockPosition): string {
  const old = script === null ? null : findBlock(script);
  const made = script === null || (old?.made ?? false);
  const text = `${made ? beginMade : begin}\n${body(hook, position)}${end}`;
  if (script === null) return position === 'start' ? `#!/bin/sh\n${text}\n` : `${text}\n`;
  if (old) return script.slice(0, old.from) + text + script.slice(old.to);
  const at = position === 'end' ? script.length : afterShebang(script);
  const before = script.slice(0, at);
  return before === '' || before.endsWith('\n') ? `${before}${text}\n${script.slice(at)}` : `${before}\n${text}${script.slice(at)}`;
}

/** `script` as it was before the block; the same text if it has none, and null if the file was made for the block and holds nothing else. */
export function withoutBlock(script: string): string | null {
  const found = findBlock(script);
  if (!found) return script;
  const [before, after] = [script.slice(0, found.from), script.slice(found.to)];
  const rest = after.startsWith('\n') ? before + after.slice(1) : before.replace(/\n$/, '') + after;
  return found.made && /^(?:#![^\n]*\n?)?\s*$/.test(rest) ? null : rest;
}

export function hasBlock(script: string): boolean {
  return findBlock(script) !== null;
}

/** Whether somebody took one of the marks away, so that nobody can say what is ours. */
export function isDamaged(script: string): boolean {
  const marks = script.match(/^# (?:>>>|<<<) sync-run\b.*$/gm) ?? [];
  return marks.length !== (hasBlock(script) ? 2 : 0);
}

function body(hook: HookName, position: BlockPosition): string {
  const about = '# Keeps database rows and these files in step. To take it out: npx sync-run hooks remove\n';
  if (position === 'start') return about + callStub(hook);
  // What the script would have ended with stays its end.
  return `sync_run_status=$?\n${about}${callStub(hook)}[ "$sync_run_status" -eq 0 ] || exit "$sync_run_status"\n`;
}

function findBlock(script: string): { from: number; to: number; made: boolean } | null {
  const match = block.exec(script);
  return match && { from: match.index, to: match.index + match[0].length, made: match[1] !== undefined };
}

function afterShebang(script: string): number {
  if (!script.startsWith('#!')) return 0;
  const newline = script.indexOf('\n');
  return newline < 0 ? script.length : newline + 1;
}
