import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { runCli } from '../helpers/cli.ts';

const anywhere = { cwd: tmpdir(), env: {} };

test('every command has help: what it does in a paragraph, and an example', async () => {
  const lines = commands.flatMap(({ usage, commands: inner = [] }) => {
    const name = usage.split(' ')[0]!;
    return [[name], ...inner.map((child) => [name, child.usage.split(' ')[0]!])];
  });
  assert.ok(lines.length > 15);
  for (const line of lines) {
    const { code, stdout, stderr } = await runCli([...line, '--help'], anywhere);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' }, line.join(' '));
    assert.match(stdout, new RegExp(`^Usage: sync-run ${line.join(' ')}\\b`));
    assert.match(stdout, /\n\n\w[^]{40,}\.\n/, line.join(' '));
    assert.match(stdout, new RegExp(`Example:\\n  \\$ .*npx sync-run ${line[0]}`));
  }
});

test('the help of the program names every command', async () => {
  const { code, stdout } = await runCli(['--help'], anywhere);
  assert.equal(code, 0);
  for (const { usage } of commands) assert.match(stdout, new RegExp(`^  ${usage.split(' ')[0]} `, 'm'));
});

test('the version is the one of the package', async () => {
  const { code, stdout } = await runCli(['--version'], anywhere);
  assert.equal(code, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

test('a wrong command line is exit code 2 and one clear line', async () => {
  const wrong: [args: string[], found: RegExp, hint: RegExp][] = [
    [['staus'], /There is no command "staus"; did you mean "status"\?/, /npx sync-run status/],
    [['db/pages'], /There is no command "db\/pages"/, /npx sync-run sync "db\/pages"/],
    [['sync', '--drY-run'], /Unknown option "--drY-run"; did you mean --dry-run\?/, /npx sync-run sync --help/],
    [['sync', '--prefer', 'both'], /"both" is invalid. Allowed choices are file, row/, /sync --help/],
    [['sync', '--lock-timeout', 'soon'], /"--lock-timeout" takes a number of seconds such as 30 or 0.5, found "soon"/, /^$/],
    [['sync', '--lock-timeout', '9999999'], /"--lock-timeout" takes at most 86400 seconds, found "9999999"/, /^$/],
    [['watch', '--rows', '0'], /"--rows" takes a time above zero, found "0"/, /^$/],
    [['resolve'], /Missing required argument "paths"/, /resolve --help/],
    [['resolve', 'a', '--file', '--row'], /Exactly one of --file, --row and --merge is needed/, /resolve --help/],
    [['show', 'abc'], /Missing required argument "path"/, /show --help/],
    [['undo', 'a', 'b'], /Too many arguments/, /undo --help/],
    [['hooks'], /"hooks" needs one of: install, status, remove/, /hooks --help/],
    [['hooks', 'instal'], /Unknown command "instal"; did you mean install\?/, /hooks --help/],
    [['log', '--limit', '0'], /"--limit" takes a number of batches/, /^$/],
  ];
  for (const [args, found, hint] of wrong) {
    const { code, stdout, stderr } = await runCli(args, anywhere);
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' }, args.join(' '));
    const [first = '', second = ''] = stderr.trimEnd().split('\n');
    assert.match(first, /^sync-run: /);
    assert.match(first, found);
    assert.match(second.replace(/^To go on: /, ''), hint);
    assert.doesNotMatch(stderr, /\bat .*:\d+:\d+/, 'no stack trace');
  }
});

test('with --json the error of a command line is a document too', async () => {
  const { code, stdout, stderr } = await runCli(['sync', '--sideways', '--json'], anywhere);
  assert.equal(code, 2);
  assert.deepEqual(JSON.parse(stdout), {
    error: { code: 'USAGE', message: 'Unknown option "--sideways"', hint: 'npx sync-run sync --help' },
  });
  assert.match(stderr, /Unknown option/);
});
