import type { Socket } from 'node:net';

/**
 * Gives an answer, unless nothing arrives any more: a network that went away tells nobody, and the kernel gives up after minutes or hours.
 * A long answer takes as long as it takes.
 *
 * @param ms how long nothing may arrive, in milliseconds
 * @throws {Error} after that; what came of the question is unknown then
 */
export async function unlessSilent<T>(socket: Pick<Socket, 'bytesRead'>, ms: number, answer: Promise<T>): Promise<T> {
  const silent = Promise.withResolvers<never>();
  let heard = socket.bytesRead;
  let quiet = 0;
  // Twice, since after a sleep of the machine the timer comes before what has arrived meanwhile.
  const timer = setInterval(() => {
    quiet = socket.bytesRead === heard ? quiet + 1 : 0;
    heard = socket.bytesRead;
    if (quiet === 2) silent.reject(new Error(`Nothing arrived for ${ms / 1000} s`));
  }, ms / 2);
  try {
    return await Promise.race([answer, silent.promise]);
  } finally {
    clearInterval(timer);
  }
}

/** Gives an answer, unless it takes longer. mysql2's own limit stays behind where the connection breaks, and keeps the process alive until it is over. */
export async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`No answer within ${ms / 1000} s`)), ms);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
