import { relative } from 'node:path';
import type { HookPlace } from '../../git/hooks-names.ts';
import { printable } from './printable.ts';
import type { Style } from './style.ts';

/** Each hook with its place and state, and the lines to add by hand where that is needed. */
export function renderHooks(places: readonly HookPlace[], top: string, style: Style): string[] {
  return places.flatMap(({ hook, way, state, where, note, lines }) => {
    const place = way === 'config' ? `git config ${where}` : shortest(top, where);
    const paint = state === 'installed' ? style.good : style.warning;
    const words = { installed: 'installed', missing: 'not installed', outdated: 'out of date', manual: 'to be added by hand' }[state];
    return [
      `  ${hook.padEnd(13)} ${paint(words)} ${style.faint(printable(place))}${note ? ` (${printable(note)})` : ''}`,
      ...(lines
        ? [
            '    Add these lines:',
            ...lines
              .trimEnd()
              .split('\n')
              .map((line) => `      ${line}`),
          ]
        : []),
    ];
  });
}

function shortest(top: string, path: string): string {
  const inside = relative(top, path);
  return inside.startsWith('..') ? path : inside;
}
