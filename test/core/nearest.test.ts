import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from '../../src/core/nearest.ts';

const known = ['name', 'table', 'path', 'content', 'where', 'lookups', 'newlines'];

for (const [word, meant] of [
  ['tabel', 'table'],
  ['Table', 'table'],
  ['lookup', 'lookups'],
  ['newline', 'newlines'],
  ['wheer', 'where'],
  ['paths', 'path'],
  ['colour', null],
  ['', null],
] as const) {
  test(`"${word}" ${meant === null ? 'is near to nothing' : `was meant to be "${meant}"`}`, () => {
    assert.equal(nearest(word, known), meant);
  });
}
