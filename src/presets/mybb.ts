import type { MappingDraft } from '../core/mapping-draft.ts';
import type { Stamp } from '../core/model.ts';

export interface MybbOptions {
  /** What MyBB's table names begin with; "mybb_" unless told otherwise. */
  prefix?: string | undefined;
  /** Whether rows of the Master Templates may be written. MyBB itself never does, and replaces them on upgrade. */
  master: 'read' | 'write';
}

const masterSet = '-2';
const globalSet = '-1';

/** The mappings of MyBB 1.8: templates and theme stylesheets. */
export function mybbMappings({ prefix = 'mybb_', master }: MybbOptions): MappingDraft[] {
  return [templates(prefix, master), stylesheets(prefix)];
}

function templates(prefix: string, master: 'read' | 'write'): MappingDraft {
  // What the Admin CP sets when it saves a template (admin/modules/style/templates.php). An older version than the master's
  // lists the template as outdated after an upgrade.
  const saved: Record<string, Stamp> = { dateline: { at: 'unixtime' }, status: '', version: { from: 'mybb-version' } };
  return {
    ...defaults,
    name: 'templates',
    table: `${prefix}templates`,
    path: 'template_sets/{set}/{group}/{title}.html',
    content: 'template',
    insert: saved,
    touch: saved,
    lookups: {
      set: {
        column: 'sid',
        table: `${prefix}templatesets`,
        key: 'sid',
        name: 'title',
        fixed: { 'Master Templates': Number(masterSet), 'Global Templates': Number(globalSet) },
      },
    },
    derive: { group: { from: 'title', until: '_' } },
    rules: {
      ...(master === 'read' ? { readOnly: { column: 'sid', values: [masterSet] } } : {}),
      // MyBB reads `sid IN (-2, -1, set) ORDER BY sid` and the last one wins (inc/class_templates.php).
      inherits: { column: 'sid', from: [globalSet, masterSet] },
      orphans: 'leave',
    },
  };
}

function stylesheets(prefix: string): MappingDraft {
  return {
    ...defaults,
    name: 'stylesheets',
    table: `${prefix}themestylesheets`,
    path: 'styles/{theme}/{name}',
    content: 'stylesheet',
    // Attached to nothing means on every page; that a parent theme's stylesheet of the same name is attached otherwise cannot be stated here.
    // Without a cache file MyBB falls back to css.php?stylesheet=<sid>, which reads the row;
    // the Admin CP enters the file's name once it has written the file.
    insert: { attachedto: '', cachefile: '' },
    touch: { lastmodified: { at: 'unixtime' } },
    lookups: { theme: { column: 'tid', table: `${prefix}themes`, key: 'tid', name: 'name', fixed: {} } },
    rules: {
      orphans: 'leave',
      notice:
        'MyBB serves stylesheets from files of its own: refresh them by opening each changed stylesheet in the Admin CP ' +
        '(Templates & Style > Themes > the theme > the stylesheet) and saving it as it is; ' +
        'a new one is on every page until it is attached to some there',
    },
  };
}

const defaults = {
  where: {},
  derive: {},
  delete: 'apply',
  newlines: 'exact',
  direction: 'both',
  empty: 'refuse',
  exclude: [],
} satisfies Partial<MappingDraft>;
