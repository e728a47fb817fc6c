import { type CheckedMapping, checkMappings } from '../../config/check.ts';
import type { Item } from '../../core/plan.ts';
import { needsPerson } from '../../core/skips.ts';
import { trackedPaths } from '../../git/queries.ts';
import { labelOf } from '../../runner/describe.ts';
import { targetUrl } from '../../runner/open-context.ts';
import { takeSnapshot } from '../../runner/snapshot.ts';
import { checkTarget } from '../../runner/target.ts';
import { openState } from '../../state/open.ts';
import { openStore } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';
import { counted, list as listed } from '../render/list.ts';
import type { Terminal } from '../terminal.ts';
import type { Checklist } from './checklist.ts';
import type { Tree } from './check-tree.ts';

/** Everything that needs the database. */
export async function checkDatabase(list: Checklist, terminal: Terminal, tree: Tree): Promise<void> {
  const { repository } = tree;
  const url = await list.look('target', () => targetUrl(repository, terminal.env));
  if (url === null) return;
  const store = await list.look('database', () => openStore(url, repository.top, terminal.signal));
  if (!store) return;
  try {
    await list.look('database', async () => {
      list.add('database', { message: `${(await store.identity()).server}, ${store.version}` });
    });
    await list.look('target', () => checkIdentity(list, tree, store));
    const mappings = await list.look('mappings', () => checkMapped(list, tree, store));
    await list.look('rights', () => checkRights(list, store, mappings ?? []));
    if (mappings) await list.look('items', () => checkItems(list, terminal, tree, store, mappings));
  } finally {
    await store.close();
  }
}

async function checkIdentity(list: Checklist, { repository }: Tree, store: Store): Promise<void> {
  const state = await openState(repository.statePath, { mode: 'read' });
  try {
    // A batch that was cut short may have committed a txid the state does not know yet.
    if (!(await state.intent())) await checkTarget({ state, store });
    const { targetServer } = await state.meta();
    list.add('target', { message: targetServer ? 'This is the database the working tree was synced with' : 'Nothing has been synced yet' });
  } finally {
    await state.close();
  }
}

async function checkMapped(list: Checklist, { config }: Tree, store: Store): Promise<CheckedMapping[] | null> {
  if (!config) return null;
  const { mappings, warnings } = await checkMappings(config.mappings, store);
  list.add('mappings', { message: 'All mappings fit the database' });
  for (const message of warnings) list.add('mappings', { status: 'warning', message });
  return mappings;
}

async function checkRights(list: Checklist, store: Store, mappings: CheckedMapping[]): Promise<void> {
  for (const { ok, advice, message, remedy } of await store.diagnose(mappings.map(({ table }) => table))) {
    list.add('rights', { status: ok ? 'ok' : advice ? 'warning' : 'failed', message, ...(remedy && { remedy }) });
  }
}

/** Items that need a person, and files below the root that no mapping takes. */
async function checkItems(
  list: Checklist,
  terminal: Terminal,
  { repository, config }: Tree,
  store: Store,
  mappings: CheckedMapping[],
): Promise<void> {
  if (!config) return;
  const state = await openState(repository.statePath, { mode: 'read' });
  try {
    const { signal } = terminal;
    const snapshot = await takeSnapshot({ repository, config, mappings, state, store, now: Date.now, signal, progress: () => {} });
    const items = snapshot.items.flatMap((item) => (item.skip ? [{ path: labelOf({ item, path: pathOf(item) }), ...item.skip }] : []));
    const refused = [...snapshot.skips, ...items].filter(needsPerson);
    const count = `${counted(snapshot.items.length, 'item')}${refused.length > 0 ? `; ${refused.length} refused:` : ''}`;
    list.add('items', {
      message: [count, ...listed(refused, ({ path, code, message }) => `${path} ${code} ${message}`)].join('\n'),
      ...(refused.length > 0 && { status: 'failed' as const, remedy: 'Rename what is named, in the database or in the tree' }),
    });
    const known = new Set([
      ...snapshot.items.map(pathOf),
      ...snapshot.items.flatMap(({ base }) => base?.path ?? []),
      ...snapshot.skips.map(({ path }) => path),
      ...snapshot.forgotten.map(({ path }) => path),
    ]);
    const strange = [...(await trackedPaths(repository, config.root)).keys()].filter((path) => !known.has(path));
    if (strange.length > 0) {
      list.add('files', {
        status: 'warning',
        message: [
          `Below "${config.root}", ${strange.length} tracked files belong to no mapping:`,
          ...listed(strange, (path) => path, 5),
        ].join('\n'),
        remedy: 'Move them elsewhere, or add a mapping',
      });
    }
  } finally {
    await state.close();
  }
}

function pathOf({ file, base, row }: Item): string {
  return file?.seen.path ?? base?.path ?? row?.path ?? '';
}
