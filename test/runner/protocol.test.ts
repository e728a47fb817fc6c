import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import fc from 'fast-check';
import { createDecoder, encode, FRAME_BYTES, proofOf, sameProof } from '../../src/runner/protocol.ts';
import { isOlder } from '../../src/runner/reach.ts';

test('messages cut anywhere arrive whole and in order', () => {
  const value = fc.string({ maxLength: 300, unit: 'binary' });
  fc.assert(
    fc.property(fc.array(value, { maxLength: 8 }), fc.array(fc.nat(200), { maxLength: 60 }), (values, cuts) => {
      const bytes = Buffer.concat(values.map((one) => encode({ t: 'progress', id: 1, value: one })));
      const decoder = createDecoder(10_000);
      const told: unknown[] = [];
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        told.push(...decoder.push(bytes.subarray(at, at + cut)));
        at += cut;
      }
      assert.deepEqual(
        told,
        values.map((one) => ({ t: 'progress', id: 1, value: JSON.parse(JSON.stringify(one)) })),
      );
      assert.equal(decoder.partial(), false);
    }),
  );
});

test('a message longer than a frame takes several, none above the limit', () => {
  const message = { t: 'progress' as const, id: 1, value: 'ü'.repeat(1_500_000) };
  const bytes = encode(message);
  let at = 0;
  let frames = 0;
  while (at < bytes.length) {
    const length = bytes.readUInt32BE(at) & 0x7fff_ffff;
    assert.ok(length <= FRAME_BYTES);
    at += 4 + length;
    frames += 1;
  }
  assert.equal(frames, 3);
  assert.deepEqual(createDecoder(10_000_000).push(bytes), [message]);
  assert.throws(() => createDecoder(2_000_000).push(bytes), /more than 2000000 bytes/);
});

test('a proof is of one side, one token and both nonces', () => {
  const proofs = [
    proofOf('t', 'client', 'a', 'b'),
    proofOf('t', 'runner', 'a', 'b'),
    proofOf('u', 'client', 'a', 'b'),
    proofOf('t', 'client', 'b', 'a'),
    proofOf('t', 'client', 'a', 'c'),
  ];
  assert.equal(new Set(proofs).size, proofs.length);
  assert.ok(sameProof(proofs[0], proofs[0] ?? ''));
  assert.ok(!sameProof(proofs[1], proofs[0] ?? ''));
  assert.ok(!sameProof(undefined, proofs[0] ?? ''));
});

test('versions are compared by their numbers, a beta before its release', () => {
  const order = ['0.1.0', '0.2.0', '0.10.0', '1.0.0-beta.2', '1.0.0-beta.10', '1.0.0', '1.0.1'];
  for (const [n, one] of order.entries())
    for (const [m, other] of order.entries()) assert.equal(isOlder(one, other), n < m, `${one} ${other}`);
});

test('a hook loads no package by loading the client', async () => {
  const seen = new Set<string>();
  const visit = async (url: URL): Promise<void> => {
    if (seen.has(url.pathname)) return;
    seen.add(url.pathname);
    const source = await readFile(url, 'utf8');
    for (const [, kind, name = ''] of source.matchAll(/^import (type )?[^;]*?from '([^']+)'/gms)) {
      if (kind !== undefined || name.startsWith('node:')) continue;
      assert.ok(name.startsWith('.'), `${url.pathname} imports "${name}"`);
      await visit(new URL(name, url));
    }
  };
  await visit(new URL('../../src/runner/client.ts', import.meta.url));
  assert.ok(seen.size > 3 && seen.size < 10, [...seen].join(' '));
});
