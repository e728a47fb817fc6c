import type { Link } from './link.ts';

/** Work often asks for something beside the transaction it is in. */
const MOST_IDLE = 2;

/** Connections opened on demand; one that is not in use is kept for the next one who asks. */
export interface Pool {
  /** Runs `work` with a connection of its own. After a failure it is kept only if it is still good. */
  use<T>(work: (link: Link) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** @param first a connection that is open already */
export function createPool(open: () => Promise<Link>, first: Link): Pool {
  const idle: Link[] = [first];
  let closed = false;

  const take = async (): Promise<Link> => {
    for (let link = idle.pop(); link; link = idle.pop()) {
      if (await link.alive()) return link;
      await link.close();
    }
    return open();
  };
  const giveBack = async (link: Link): Promise<void> => {
    if (!closed && idle.length < MOST_IDLE) idle.push(link);
    else await link.close();
  };
  return {
    async use(work) {
      const link = await take();
      try {
        return await work(link);
      } finally {
        await giveBack(link);
      }
    },
    async close() {
      closed = true;
      await Promise.all(idle.splice(0).map((link) => link.close()));
    },
  };
}
