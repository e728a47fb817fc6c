import { configCommand, gitVersion, hasConfigHooks, readConfigHooks, sectionOf } from './hooks-config.ts';
import { detectHook, type DetectedHook, type HookRepository } from './hooks-detect.ts';
import { hookNames, type HookName, type HookPlace } from './hooks-names.ts';
import { formatPaths, stubProblem, type StubPaths } from './hooks-stub.ts';

/** A file to write. */
export interface FileEdit {
  path: string;
  /** What the plan saw; null where there was no file. */
  before: Buffer | null;
  after: Buffer;
}

export interface HookPlan {
  /** One for each hook, in the order of `hookNames`: what is there now, and where our part goes. */
  places: HookPlace[];
  files: FileEdit[];
  /** Hooks to write to git's own configuration. */
  config: HookName[];
  /** The content of the stub's `paths`. */
  paths: string;
}

export interface PlanOptions extends StubPaths {
  /** Output of `git version`; asked for by default. */
  gitVersion?: string;
}

/**
 * What installing the hooks would do. Writes nothing.
 *
 * A hook that is in place already stays where it is; else git's own configuration is preferred where git is new enough,
 * since it leaves every other tool alone.
 */
export async function planHooks(repo: HookRepository, options: PlanOptions): Promise<HookPlan> {
  const version = options.gitVersion ?? (await gitVersion(repo));
  const plan: HookPlan = { places: [], files: [], config: [], paths: formatPaths(options) };
  const texts = new Map<string, { before: string | null; after: string }>();
  for (const { place, edit } of await findHooks(repo, version)) {
    plan.places.push(place);
    if (place.way === 'config') {
      if (place.state !== 'installed') plan.config.push(place.hook);
    } else if (edit) {
      const now = texts.get(edit.path)?.after ?? edit.before;
      texts.set(edit.path, { before: edit.before, after: edit.make(now) });
    }
  }
  plan.files = [...texts].map(([path, { before, after }]) => ({
    path,
    before: before === null ? null : Buffer.from(before, 'latin1'),
    after: Buffer.from(after, 'latin1'),
  }));
  return plan;
}

/** How the hooks stand. A hook whose stub would do nothing is `outdated`: installing again mends it. */
export async function hooksStatus(repo: HookRepository, options: { gitVersion?: string } = {}): Promise<HookPlace[]> {
  const version = options.gitVersion ?? (await gitVersion(repo));
  const [found, problem] = await Promise.all([findHooks(repo, version), stubProblem(repo)]);
  return found.map(({ place }) =>
    place.state === 'installed' && problem !== null ? { ...place, state: 'outdated', note: problem } : place,
  );
}

async function findHooks(repo: HookRepository, version: string): Promise<DetectedHook[]> {
  const supported = hasConfigHooks(version);
  const commands = supported ? await readConfigHooks(repo) : new Map<HookName, string>();
  return Promise.all(
    hookNames.map(async (hook) => {
      const detected = await detectHook(repo, hook);
      const present = detected.place.state === 'installed' || detected.place.state === 'outdated';
      return supported && !present ? { place: inConfig(hook, commands.get(hook)), edit: null } : detected;
    }),
  );
}

function inConfig(hook: HookName, command: string | undefined): HookPlace {
  const state = command === undefined ? 'missing' : command === configCommand(hook) ? 'installed' : 'outdated';
  return { hook, way: 'config', where: `hook.${sectionOf(hook)}`, state };
}
