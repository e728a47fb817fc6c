import { keyId } from '../core/match.ts';
import type { Key } from '../core/model.ts';
import type { Pending } from './rows.ts';

export interface Step {
  pending: Pending;
  /** Set where the row first steps aside, because another one needs its key before it can take its own. */
  temporaryKey: Key | null;
}

/**
 * The order in which rows can be written although keys are unique: deletions, then renames so that each finds its key free,
 * then the rest. Rows that swap keys step aside first. Within a kind the order is by primary key, so that two writers cannot deadlock.
 */
export function inKeyOrder(pending: readonly Pending[]): Step[] {
  const sorted = [...pending].sort((a, b) => compare(a, b));
  const deletions = sorted.filter(({ change }) => change.kind === 'delete');
  const renames = sorted.filter(({ change }) => change.kind === 'update' && change.keyBefore);
  const others = sorted.filter(({ change }) => change.kind === 'update' && !change.keyBefore);
  const inserts = sorted.filter(({ change }) => change.kind === 'insert');
  // Rows that bring their primary key come first, before the database gives it to another one.
  const insertions = [...inserts.filter(({ change }) => change.pk !== null), ...inserts.filter(({ change }) => change.pk === null)];
  const plain = (step: Pending): Step => ({ pending: step, temporaryKey: null });
  return [...deletions.map(plain), ...renameSteps(renames), ...others.map(plain), ...insertions.map(plain)];
}

function renameSteps(renames: readonly Pending[]): Step[] {
  const held = new Map(renames.map((pending) => [id(pending, pending.change.keyBefore ?? {}), pending]));
  const steps: Step[] = [];
  const waiting = new Set(renames);
  while (waiting.size > 0) {
    const ready = [...waiting].find((pending) => {
      const holder = held.get(id(pending, pending.change.key));
      return !holder || holder === pending;
    });
    const next = ready ?? [...waiting][0]!;
    held.delete(id(next, next.change.keyBefore ?? {}));
    if (ready) {
      waiting.delete(ready);
      steps.push({ pending: ready, temporaryKey: null });
    } else steps.push({ pending: next, temporaryKey: temporaryKey(next) });
  }
  return steps;
}

/** A key nobody else has: the last key column that is not a number gets a name made from the row's primary key. */
export function temporaryKey({ change, checked }: Pending): Key {
  const key = { ...change.keyBefore };
  const column = [...checked.mapping.keyColumns]
    .reverse()
    .find((name) => checked.table.columns.find((candidate) => candidate.name === name)?.text);
  if (column) key[column] = `~${change.pk?.replaceAll(/[^0-9a-z]/gi, '').slice(-12)}`;
  return key;
}

function id({ checked }: Pending, key: Key): string {
  return `${checked.mapping.name} ${keyId(checked.mapping, key)}`;
}

function compare(a: Pending, b: Pending): number {
  const left = `${a.change.table} ${a.change.pk ?? ''}`;
  const right = `${b.change.table} ${b.change.pk ?? ''}`;
  return left < right ? -1 : left > right ? 1 : 0;
}
