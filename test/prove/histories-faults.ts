import type { Context } from '../../src/runner/context.ts';
import type { Session } from '../../src/store/store.ts';
import type { Disk } from '../../src/tree/disk.ts';
import { syncDisk } from '../../src/tree/disk-sync.ts';
import { inline } from '../../src/tree/executor.ts';
import type { Edit, Fault } from './histories-steps.ts';
import { slugOf } from './histories-world.ts';

/** What everything throws from the moment on at which the process "ended": nothing is put in order any more. */
export class Crash extends Error {
  override readonly name = 'Crash';
}

export interface Faulty {
  context: Context;
  /** Whether the moment came. */
  fired(): boolean;
  /** Whether it was the end of the process. */
  crashed(): boolean;
}

const STATE = ['begin', 'finish', 'record', 'abandon', 'setMeta'] as const;

type Call = (...args: never[]) => unknown;

/**
 * A context that ends, or lets somebody edit, before a call it makes.
 *
 * @param act does the edit; one of a row waits for the end of a transaction of SQLite, which lets nobody else write
 */
export function withFault(context: Context, fault: Fault | null, act: (does: Edit | { switch: string }) => Promise<void>): Faulty {
  let seen = 0;
  let fired = false;
  let dead = false;
  let locks = false;
  const transactional = context.mappings.some(({ table }) => table.transactional);
  let late: (() => Promise<void>) | null = null;

  const gate = async (name: string, path = ''): Promise<void> => {
    if (dead) throw new Crash(name);
    if (!fault || fired || !name.startsWith(fault.at) || !isFair(fault, name, path) || seen++ !== fault.n) return;
    fired = true;
    const { does } = fault;
    if (does === 'crash') {
      dead = true;
      throw new Crash(name);
    }
    if (locks && !('switch' in does) && does.side === 'row') late = () => act(does);
    else await act(does);
  };

  const guarded = <T extends object>(owner: T, prefix: string, names: readonly string[]): T => {
    const own = Object.fromEntries(
      names.map((name) => {
        const real = (owner as Record<string, Call>)[name]!;
        const call = async (...args: never[]): Promise<unknown> => {
          await gate(`${prefix}${name}`, typeof args[0] === 'string' ? args[0] : '');
          if (prefix === 'row.' && /^(?:lock|find|update|insert|delete)/.test(name) && name !== 'lockTarget') locks ||= transactional;
          return real.apply(owner, args);
        };
        return [name, call];
      }),
    );
    return { ...owner, ...own };
  };

  const state = guarded(context.state, 'state.', STATE);
  const { finish } = state;
  state.finish = async (completion) => {
    await finish(completion);
    await gate('state.ended');
  };
  const store: Context['store'] = {
    ...context.store,
    async read(work) {
      await gate('store.read');
      return context.store.read(work);
    },
    async begin(work) {
      await gate('store.begin');
      // MyISAM knows no transactions; InnoDB locks rows as soon as they are looked at.
      locks = context.store.dialect === 'sqlite';
      const guard = (session: Session): Session =>
        guarded(
          session,
          'row.',
          Object.entries(session)
            .filter(([name, value]) => name !== 'sql' && typeof value === 'function' && !/^(?:scanTexts|texts)$/.test(name))
            .map(([name]) => name),
        );
      try {
        const result = await context.store.begin((session) => work(guard(session)));
        locks = false;
        await gate('store.end');
        return result;
      } finally {
        locks = false;
        await late?.();
        late = null;
      }
    },
  };
  const disk = guarded<Disk>(
    syncDisk,
    'disk.',
    Object.keys(syncDisk).filter((name) => name !== 'close'),
  );
  return { context: { ...context, state, store, executor: inline(fault ? disk : syncDisk) }, fired: () => fired, crashed: () => dead };
}

/**
 * Another program's rename between the last look at a target and our own cannot be seen by anybody (`place` says so), so an editor
 * that saves by renaming does it before a look at the very file.
 */
function isFair({ does }: Fault, name: string, path: string): boolean {
  if (does === 'crash' || 'switch' in does || does.how !== 'replace' || !name.startsWith('disk.')) return true;
  return /^disk\.(?:lstat|link|open)$/.test(name) && slugOf(path) === does.slug;
}
