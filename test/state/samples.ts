import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Batch, Operation } from '../../src/core/batch.ts';
import { digest } from '../../src/core/digest.ts';
import type { Digest } from '../../src/core/digest.ts';
import type { BaseEntry } from '../../src/core/model.ts';
import { openState } from '../../src/state/open.ts';
import type { OpenStateOptions } from '../../src/state/open.ts';
import type { Completion, State } from '../../src/state/state.ts';

/** A path for a state folder that does not exist yet, in a folder that goes with the test. */
export async function scratchFolder(t: TestContext): Promise<string> {
  const parent = await realpath(await mkdtemp(join(tmpdir(), 'sync-run-state-')));
  t.after(() => rm(parent, { recursive: true, force: true }));
  return join(parent, 'sync-run');
}

/** Opens a state for writing that is closed before its folder goes. */
export async function scratchState(t: TestContext, options: Partial<OpenStateOptions> = {}): Promise<State> {
  const parent = await realpath(await mkdtemp(join(tmpdir(), 'sync-run-state-')));
  const state = await openState(join(parent, 'sync-run'), { mode: 'write', ...options });
  t.after(async () => {
    await state.close();
    await rm(parent, { recursive: true, force: true });
  });
  return state;
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function blobsOf(...texts: string[]): Map<Digest, Uint8Array> {
  return new Map(texts.map((text) => [digest(bytes(text)), bytes(text)]));
}

export function digestOf(text: string): Digest {
  return digest(bytes(text));
}

export function entry(name: string, text: string, pk = name): BaseEntry {
  return {
    mapping: 'pages',
    pk: JSON.stringify([pk]),
    key: { lang: 'en', slug: name },
    path: `db/pages/en/${name}.html`,
    fingerprint: digestOf('mapping'),
    text: digestOf(text),
    file: digestOf(text),
    row: digestOf(text),
  };
}

/** An item whose row took the text of its file. */
export function operation(name: string, before: string | null, after: string): Operation {
  const set = entry(name, after);
  return {
    mapping: set.mapping,
    key: set.key,
    path: set.path,
    files: [],
    row: {
      kind: before === null ? 'insert' : 'update',
      table: 'pages',
      content: 'body',
      pk: set.pk,
      key: set.key,
      keyBefore: null,
      textBefore: before === null ? null : digestOf(before),
      textAfter: digestOf(after),
      before: before === null ? null : { id: { n: 7 }, title: { s: 'Ä "quoted" \u0000 \ud83d\ude00' }, raw: { x: '00ff' }, none: null },
      set: {},
    },
    base: { before: before === null ? null : entry(name, before), after: set },
    loser: null,
    seen: { file: digestOf(after), row: before === null ? null : digestOf(before) },
  };
}

export function txid(n: number): string {
  return n.toString(16).padStart(32, '0');
}

export function batch(n: number, operations: Operation[], more: Partial<Batch> = {}): Batch {
  return {
    txid: txid(n),
    command: 'sync',
    source: 'cli',
    direction: 'sync',
    startedAt: 1_700_000_000_000 + n,
    head: null,
    previousTxid: n > 0 ? txid(n - 1) : null,
    undoes: null,
    repairable: false,
    operations,
    ...more,
  };
}

export function completion(of: Batch, more: Partial<Completion> = {}): Completion {
  return {
    batch: of,
    finishedAt: of.startedAt + 1000,
    status: 'done',
    set: [],
    drop: [],
    conflicts: { set: [], drop: [] },
    holds: { set: [], drop: [] },
    tombstones: { set: [], drop: [] },
    blobs: new Map(),
    meta: {},
    ...more,
  };
}
