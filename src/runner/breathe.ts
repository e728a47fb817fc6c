import { setImmediate } from 'node:timers/promises';

const CHUNK = 500;

/** Lets whoever waits for this thread have it for a moment: between two steps that each take long where there are many items. */
export async function breathe(): Promise<void> {
  await setImmediate();
}

/** `map` that lets others have the thread every few hundred items. */
export async function mapCalmly<T, R>(list: readonly T[], make: (one: T) => R): Promise<R[]> {
  const made: R[] = [];
  for (const one of list) {
    made.push(make(one));
    if (made.length % CHUNK === 0) await breathe();
  }
  return made;
}
