import type { Call, Result } from '../call.ts';
import { checkDatabase } from '../doctor/check-database.ts';
import { checkTree } from '../doctor/check-tree.ts';
import { createChecklist } from '../doctor/checklist.ts';
import type { Check } from '../doctor/checklist.ts';
import { counted } from '../render/list.ts';
import { printable } from '../render/printable.ts';
import type { Style } from '../render/style.ts';

/** Checks the whole set-up. Writes nothing, and works also where parts of it are broken. */
export async function doctorCommand({ terminal, style }: Call): Promise<Result> {
  const list = createChecklist(terminal.signal);
  list.add('runtime', { message: terminal.runtime.name });
  const tree = await checkTree(list, terminal);
  if (tree) await checkDatabase(list, terminal, tree);
  const failed = list.checks.filter(({ status }) => status === 'failed').length;
  const last = failed === 0 ? style.good('Everything sync-run needs is in place') : style.error(`${counted(failed, 'thing')} to mend`);
  return {
    exit: failed === 0 ? 0 : 1,
    document: { ok: failed === 0, checks: list.checks },
    text: `${[...list.checks.flatMap((check) => render(check, style)), last].join('\n')}\n`,
  };
}

function render({ name, status, message, remedy }: Check, style: Style): string[] {
  const mark = { ok: style.good('ok     '), warning: style.warning('warning'), failed: style.error('failed ') }[status];
  const [first = '', ...more] = printable(message).split('\n');
  const indent = ' '.repeat(8);
  return [
    `${mark} ${style.strong(name)}: ${first}`,
    ...more.map((line) => `${indent}${line}`),
    ...(remedy ? [`${indent}To mend: ${printable(remedy)}`] : []),
  ];
}
