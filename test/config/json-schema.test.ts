import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { jsonSchema } from '../../src/config/json-schema.ts';

interface Node {
  description?: string;
  properties?: Record<string, Node>;
  items?: Node;
  additionalProperties?: Node | false;
}

test('schema.json is what the configuration is checked against', async () => {
  const committed = await readFile(new URL('../../schema.json', import.meta.url), 'utf8');
  assert.equal(committed, jsonSchema(), 'Run "npm run schema"');
});

test('schema.json describes every key', () => {
  const undescribed: string[] = [];
  visit(JSON.parse(jsonSchema()), '');
  assert.deepEqual(undescribed, []);

  function visit(schema: Node, at: string): void {
    for (const [key, value] of Object.entries(schema.properties ?? {})) {
      if (value.description === undefined) undescribed.push(`${at}.${key}`);
      visit(value, `${at}.${key}`);
    }
    if (schema.items) visit(schema.items, `${at}[]`);
    if (schema.additionalProperties) visit(schema.additionalProperties, `${at}.*`);
  }
});
