/** A list others add to and a test waits on: resolves when the condition holds, never by looking at a clock. */
export interface Seen<T> {
  readonly all: T[];
  add(item: T): void;
  /** Waits until `holds` is true of the whole list; checked now and after every addition. */
  until(holds: (all: T[]) => boolean): Promise<void>;
  clear(): void;
}

export function createSeen<T>(): Seen<T> {
  const all: T[] = [];
  const waiting = new Set<() => void>();
  return {
    all,
    add(item) {
      all.push(item);
      for (const look of waiting) look();
    },
    until: (holds) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!holds(all)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    clear() {
      all.length = 0;
    },
  };
}
