import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSql, type Executor, type Row, type Rows, type Value } from '../../src/store/sql.ts';

function recorder(): Executor & { seen: [string, readonly Value[]][] } {
  const seen: [string, readonly Value[]][] = [];
  return {
    seen,
    quote: (name) => `"${name.replaceAll('"', '""')}"`,
    execute: async (text, values) => {
      seen.push([text, values]);
      return Object.assign([{ n: 1 }], { affected: 1 }) as Rows<Row>;
    },
    begin: () => Promise.reject(new Error('no')),
  };
}

test('values become parameters, fragments and identifiers become text', async () => {
  const executor = recorder();
  const sql = createSql(executor);
  const condition = sql`${sql.id('t', 'a"b')} = ${'x'} OR ${sql.id('c')} IN (${sql.join([sql`${1}`, sql`${2n}`])})`;
  const rows = await sql`SELECT * FROM ${sql.id('t')} WHERE ${condition} AND d = ${null} AND e = ${Buffer.from('y')}`;
  assert.equal(rows.affected, 1);
  assert.deepEqual(rows[0], { n: 1 });
  assert.deepEqual(executor.seen, [
    ['SELECT * FROM "t" WHERE "t"."a""b" = ? OR "c" IN (?, ?) AND d = ? AND e = ?', ['x', 1, 2n, null, Buffer.from('y')]],
  ]);
});

test('a query is executed when it is awaited, and only once', async () => {
  const executor = recorder();
  const sql = createSql(executor);
  const query = sql`SELECT 1`;
  assert.equal(executor.seen.length, 0);
  await query;
  await query;
  assert.equal(executor.seen.length, 1);
});

test('what a driver would turn into something else is refused', () => {
  const sql = createSql(recorder());
  const forged = { text: '1 = 1', values: [] };
  for (const value of [undefined, {}, [], ['a'], forged, new Date(), true, Number.NaN, Infinity, Symbol('x'), () => 1, '\ud800']) {
    assert.throws(() => sql`SELECT ${value}`, { name: 'TypeError', message: /^Cannot bind / });
  }
});
