import type { Manifest, ManifestEntry } from '../core/manifest.ts';

/** What goes with a manifest and is no part of it, such as `--prefer`; a JSON value. */
export type Options = Readonly<Record<string, unknown>> | null;

/** Manifests that one batch will cover. */
export interface Group<S> {
  manifest: Manifest;
  options: Options;
  submitters: S[];
  /** Whether it was tried since it came, or since something was added to it. */
  tried: boolean;
  /** The last thing its submitters were told about why it waits. */
  told: string;
}

/** What waits to be applied: bounded, coalescing, in order. Pure bookkeeping. */
export interface Pending<S> {
  /** Whether there was room; where there was none nothing changed and the producer has to wait. */
  add(group: Group<S>): 'added' | 'degraded' | 'full';
  /** Back in front of what came after it. */
  putBack(group: Group<S>): void;
  remove(group: Group<S>): void;
  groups(): readonly Group<S>[];
  /** Paths in all; "look everywhere" counts as one. */
  depth(): number;
}

// Submissions are bounded as well: a thousand typed commands that wait do not become ten thousand.
const GROUPS = 1_000;

export function createPending<S>(limit: number): Pending<S> {
  let groups: Group<S>[] = [];
  let depth = 0;

  const replace = (target: Group<S>, manifest: Manifest, from: Group<S>): void => {
    depth += cost(manifest) - cost(target.manifest);
    target.manifest = manifest;
    target.submitters.push(...from.submitters);
  };

  const add = (group: Group<S>): 'added' | 'degraded' | 'full' => {
    const target = partner(groups, group);
    if (target !== null) {
      const merged = mergeManifests(target.manifest, group.manifest);
      if (depth - cost(target.manifest) + cost(merged) <= limit) {
        replace(target, merged, group);
        target.tried = false;
        return 'added';
      }
      if (!mayDegrade(group.manifest)) return 'full';
      replace(target, { ...merged, entries: null }, group);
      target.tried = false;
      return 'degraded';
    }
    if (groups.length >= GROUPS) return 'full';
    if (depth + cost(group.manifest) <= limit || (depth === 0 && !mayDegrade(group.manifest))) {
      groups.push(group);
      depth += cost(group.manifest);
      return 'added';
    }
    if (!mayDegrade(group.manifest)) return 'full';
    group.manifest = { ...group.manifest, entries: null };
    groups.push(group);
    depth += 1;
    return 'degraded';
  };

  return {
    add,
    putBack(group) {
      groups = [group, ...groups];
      depth += cost(group.manifest);
      // What the watcher saw meanwhile joins it. Hooks keep their order.
      for (const other of group.manifest.source === 'watcher' ? groups.slice(1) : []) {
        if (partner([group], other) === null) continue;
        groups = groups.filter((one) => one !== other);
        depth -= cost(other.manifest);
        replace(group, mergeManifests(group.manifest, other.manifest), other);
      }
      if (depth > limit && mayDegrade(group.manifest)) replace(group, { ...group.manifest, entries: null }, { ...group, submitters: [] });
    },
    remove(group) {
      if (!groups.includes(group)) return;
      groups = groups.filter((one) => one !== group);
      depth -= cost(group.manifest);
    },
    groups: () => groups,
    depth: () => depth,
  };
}

/**
 * One manifest that looks wherever either would have looked. The later one's word on a path counts, but a path that
 * was renamed away stays named.
 */
export function mergeManifests(first: Manifest, second: Manifest): Manifest {
  const heads = { oldHead: first.oldHead ?? second.oldHead, newHead: second.newHead ?? first.newHead };
  if (first.entries === null || second.entries === null) return { ...first, ...heads, entries: null };
  const entries = new Map<string, ManifestEntry>();
  const left: string[] = [];
  for (const entry of [...first.entries, ...second.entries]) {
    const from = entries.get(entry.path)?.from;
    if (from !== undefined && entry.from !== from) left.push(from);
    entries.set(entry.path, entry);
  }
  const named = new Set([...entries.values()].flatMap(({ path, from }) => (from === undefined ? [path] : [path, from])));
  for (const path of left) if (!named.has(path)) entries.set(path, { path, change: 'deleted' });
  return { ...first, ...heads, entries: [...entries.values()] };
}

/** The group a newcomer may join, if any. */
function partner<S>(groups: readonly Group<S>[], group: Group<S>): Group<S> | null {
  const { manifest, options } = group;
  const alike = (other: Group<S>): boolean =>
    other.manifest.source === manifest.source &&
    other.manifest.hook === manifest.hook &&
    other.manifest.direction === manifest.direction &&
    JSON.stringify(other.options) === JSON.stringify(options);
  if (manifest.source === 'watcher') return groups.find(alike) ?? null;
  if (manifest.source === 'hook') {
    // Only the last hook: a hook that came in between keeps its place.
    const last = groups.findLast((other) => other.manifest.source === 'hook');
    return last !== undefined && alike(last) ? last : null;
  }
  // A typed command reports on what was asked of it and nothing else.
  return groups.find((other) => alike(other) && samePaths(other.manifest.entries, manifest.entries)) ?? null;
}

function samePaths(one: ManifestEntry[] | null, other: ManifestEntry[] | null): boolean {
  if (one === null || other === null) return one === other;
  const paths = new Set(one.map(({ path }) => path));
  return paths.size === new Set(other.map(({ path }) => path)).size && other.every(({ path }) => paths.has(path));
}

/** Whether looking at more than was asked is harmless: not for a person's command, nor for a commit's own files. */
export function mayDegrade(manifest: Manifest): boolean {
  return isLive(manifest);
}

/** Whether the manifest stays wanted although whoever sent it went away. */
export function isLive({ source, hook }: Manifest): boolean {
  return source === 'watcher' || (source === 'hook' && hook !== 'pre-commit');
}

function cost({ entries }: Manifest): number {
  return entries === null ? 1 : entries.length;
}
