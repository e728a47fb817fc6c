import { errorCodes } from '../src/core/errors.ts';
import { skipCodes } from '../src/core/skips.ts';

/** What an exit code means on its own; 0 and 1 have no error code. */
const exits: readonly [code: number, means: string][] = [
  [0, 'done, nothing needs a person'],
  [1, 'done, but something needs a person: conflicts, refused items, or `--check`, `verify`, `doctor` or `hooks` found something'],
  [2, 'the command line, the configuration or the set-up is wrong'],
  [3, 'the database cannot be reached, or refused the login'],
  [4, 'refused by a safety rule'],
  [5, 'failed; nothing was changed, or it was restored, or the message says that the next run finishes it'],
  [6, 'another run held the lock for longer than `--lock-timeout`'],
  [130, 'stopped by Ctrl-C (SIGINT)'],
  [143, 'stopped by SIGTERM'],
];

/** `docs/codes.md`, from the tables in the source. */
export function codesDocument(): string {
  const refused = Object.entries(skipCodes).filter(([, { policy }]) => !policy);
  const byRule = Object.entries(skipCodes).filter(([, { policy }]) => policy);
  const errors = Object.entries(errorCodes).map(([code, { exit, means }]) => [code, String(exit), means]);
  return `<!-- Written by "npm run codes" from src/core/errors.ts and src/core/skips.ts -->
# Codes
## Exit codes
${table(
  ['exit', 'meaning'],
  exits.map(([code, means]) => [String(code), means]),
)}

\`sync-run hold\` ends with the exit code of its command. A git hook ends with 0, or with 1 where pre-commit blocks a commit.

## Error codes
With \`--json\`, \`error.code\` of the document that a failed command prints.

${table(
  ['code', 'exit', 'meaning'],
  errors.map(([code = '', ...rest]) => [`\`${code}\``, ...rest]),
)}

A command that is interrupted prints the code \`INTERRUPTED\` and ends with 130 or 143.

## Skip codes
\`skipped[].code\`: why one item was left alone while the rest of its batch went on.

Items that need a person; the exit code becomes 1:

${table(
  ['code', 'meaning'],
  refused.map(([code, { means }]) => [`\`${code}\``, means]),
)}

Items left alone by a rule somebody chose; the exit code stays what it is:

${table(
  ['code', 'meaning'],
  byRule.map(([code, { means }]) => [`\`${code}\``, means]),
)}
`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
