import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config/parse.ts';
import { mybbMappings } from '../../src/presets/mybb.ts';

function mappingsOf(config: object) {
  const { mappings } = parseConfig(JSON.stringify({ preset: 'mybb', ...config }), 'sync-run.config.json', { mybb: mybbMappings });
  const [templates, stylesheets, ...rest] = mappings;
  assert.ok(templates && stylesheets);
  assert.deepEqual(rest, []);
  return { templates, stylesheets };
}

test('templates are found by set and title', () => {
  const { templates } = mappingsOf({});
  assert.equal(templates.table, 'mybb_templates');
  assert.equal(templates.pattern.text, 'template_sets/{set}/{group}/{title}.html');
  assert.deepEqual(templates.keyColumns, ['sid', 'title']);
  assert.deepEqual(templates.lookups.set?.fixed, { 'Master Templates': -2, 'Global Templates': -1 });
  assert.deepEqual(templates.touch, { dateline: { at: 'unixtime' }, status: '', version: { from: 'mybb-version' } });
});

test('stylesheets are found by theme and name', () => {
  const { stylesheets } = mappingsOf({});
  assert.equal(stylesheets.table, 'mybb_themestylesheets');
  assert.deepEqual(stylesheets.keyColumns, ['tid', 'name']);
  assert.match(stylesheets.rules.notice ?? '', /Admin CP/);
});

test('the prefix is that of every table', () => {
  const { templates, stylesheets } = mappingsOf({ prefix: 'forum_' });
  assert.deepEqual(
    [templates.table, templates.lookups.set?.table, stylesheets.table, stylesheets.lookups.theme?.table],
    ['forum_templates', 'forum_templatesets', 'forum_themestylesheets', 'forum_themes'],
  );
  assert.equal(mappingsOf({ prefix: '' }).templates.table, 'templates');
});

test('the Master Templates are read-only unless the configuration says otherwise', () => {
  assert.deepEqual(mappingsOf({}).templates.rules.readOnly, { column: 'sid', values: ['-2'] });
  assert.deepEqual(mappingsOf({ master: 'read' }).templates.rules.readOnly, { column: 'sid', values: ['-2'] });
  assert.equal(mappingsOf({ master: 'write' }).templates.rules.readOnly, undefined);
});

test('a set inherits from the Global Templates before the Master Templates', () => {
  assert.deepEqual(mappingsOf({}).templates.rules.inherits, { column: 'sid', from: ['-1', '-2'] });
});

test('the preset stands beside mappings of the file', () => {
  const mapping = { name: 'pages', table: 'pages', path: 'pages/{slug}.html', content: 'body' };
  const { mappings } = parseConfig(JSON.stringify({ preset: 'mybb', mappings: [mapping] }), 'x', { mybb: mybbMappings });
  assert.deepEqual(
    mappings.map(({ name }) => name),
    ['templates', 'stylesheets', 'pages'],
  );
});
