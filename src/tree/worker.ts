import { parentPort } from 'node:worker_threads';
import { syncDisk } from './disk-sync.ts';
import { asError } from './io-error.ts';
import { type ShareOf, type TaskName, tasks } from './tasks.ts';
import type { Answer, Order } from './threads.ts';
import { fromWire, toWire, type Wire } from './wire.ts';

const port = parentPort;
if (!port) throw new Error('This file runs in a worker thread only');

// Most errors here are files that are not there. Stacks cost more than the calls, and are not sent.
Error.stackTraceLimit = 0;

async function perform<N extends TaskName>(name: N, share: Wire): Promise<Pick<Answer, 'ok' | 'value'>> {
  try {
    return { ok: true, value: toWire(await tasks[name](syncDisk, fromWire(share) as ShareOf<N>)) };
  } catch (error) {
    return { ok: false, value: toWire(asError(error)) };
  }
}

port.on('message', ({ id, name, share }: Order) => {
  void perform(name, share).then(({ ok, value }) => port.postMessage({ id, ok, value } satisfies Answer, [value.bytes]));
});
