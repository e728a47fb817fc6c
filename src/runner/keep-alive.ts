/** Tells somebody how work goes on, and tells the last of it again while nothing new comes. */
export interface KeepAlive {
  tell(value: unknown): void;
  /** The work is over, or waits: until it goes on nothing is told. */
  stop(): void;
}

/**
 * A step of a batch may take long, and whoever waits for it can tell by this that nobody hangs.
 *
 * @param every milliseconds of silence
 */
export function createKeepAlive(every: number, send: (value: unknown) => void): KeepAlive {
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => clearInterval(timer);
  return {
    tell(value) {
      stop();
      send(value);
      timer = setInterval(() => send(value), every);
    },
    stop,
  };
}
