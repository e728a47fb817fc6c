import { connect, createServer, type Socket } from 'node:net';

/** What happens to the packet a proxy cuts at. */
export type Cut =
  /** It does not arrive. */
  | 'lost'
  /** Half of its bytes arrive. */
  | 'half'
  /** It arrives, and the answer to it does not. */
  | 'delivered'
  /** The client loses its connection; what it sent arrives when `release` is called. */
  | 'held';

export interface CutPlan {
  /** Whose packets are counted, or the plain statement whose occurrences are. */
  at: 'client' | 'server' | { statement: string };
  /** Counted from 1. */
  n: number;
  how: Cut;
  /** Whether the server cannot be reached from then on. */
  dead?: boolean;
  /** Another cut after this one; packets and statements are counted anew for it. */
  next?: CutPlan;
}

export interface Proxy {
  readonly port: number;
  /** Packets seen since the last call of `cutAt`, the client's and the server's. */
  readonly seen: { client: number; server: number };
  /** The texts of the client's plain statements since then. */
  readonly statements: string[];
  /** Which of the client's packets was the first with this plain statement, after another packet; 0 where none was. */
  packetOf(statement: string, after?: number): number;
  /** How many connections were cut since then. */
  cuts(): number;
  /** Forgets what was seen, and cuts one connection at that moment. */
  cutAt(plan: CutPlan | null): void;
  /** Resolves when the cut was made. */
  readonly cut: () => Promise<void>;
  /** Lets what was held arrive. */
  release(): void;
  /** Ends the held connection without delivering what it held. */
  drop(): void;
  close(): Promise<void>;
}

const COM_QUERY = 3;

/** A TCP proxy that understands where packets of the MySQL protocol begin, and cuts between two of them. */
export async function startProxy(target: number): Promise<Proxy> {
  let plan: CutPlan | null = null;
  let dead = false;
  let wasCut = Promise.withResolvers<void>();
  const seen = { client: 0, server: 0 };
  const statements: string[] = [];
  const packetsOfStatements: number[] = [];
  let cuts = 0;
  const pairs = new Set<{ client: Socket; server: Socket }>();
  let held: { server: Socket; bytes: Buffer } | null = null;

  const isReached = ({ at, n }: CutPlan, side: 'client' | 'server', text: string): boolean => {
    if (typeof at === 'string') return at === side && seen[side] === n;
    return text === at.statement && statements.filter((one) => one === text).length === n;
  };

  const startOver = (next: CutPlan | null): void => {
    plan = next;
    statements.length = 0;
    packetsOfStatements.length = 0;
    Object.assign(seen, { client: 0, server: 0 });
  };

  const server = createServer((client) => {
    if (dead) return void client.destroy();
    // Otherwise every small packet waits for the acknowledgement of the one before.
    const upstream = connect(target, '127.0.0.1').setNoDelay();
    client.setNoDelay();
    const pair = { client, server: upstream };
    pairs.add(pair);
    client.on('error', () => undefined);
    upstream.on('error', () => undefined);
    client.on('close', () => {
      if (held?.server !== upstream) upstream.destroy();
    });
    upstream.on('close', () => {
      // What is on its way to the client ends its connection by itself.
      if (!client.writableEnded) client.destroy();
      pairs.delete(pair);
    });
    let isOver = false;
    const pass = (side: 'client' | 'server', packet: Buffer): void => {
      if (isOver) return;
      const out = side === 'client' ? upstream : client;
      seen[side] += 1;
      const text = side === 'client' && packet[4] === COM_QUERY ? packet.subarray(5).toString() : '';
      if (text) statements.push(text);
      if (text) packetsOfStatements.push(seen.client);
      if (!plan || !isReached(plan, side, text)) return void out.write(packet);
      const { how, next = null } = plan;
      dead = plan.dead ?? false;
      plan = null;
      if (next) startOver(next);
      cuts += 1;
      isOver = true;
      if (how === 'held') held = { server: upstream, bytes: packet };
      if (how === 'lost') upstream.destroy();
      if (how === 'delivered' || how === 'half') {
        // Only once it is on its way the connection ends; whoever it is for reads it before the end.
        out.end(how === 'half' ? packet.subarray(0, Math.ceil(packet.length / 2)) : packet);
        (side === 'client' ? client : upstream).destroy();
      }
      if (out === upstream || how === 'lost') client.destroy();
      wasCut.resolve();
    };
    client.on(
      'data',
      splitter((packet) => pass('client', packet)),
    );
    upstream.on(
      'data',
      splitter((packet) => pass('server', packet)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port');
  return {
    port: address.port,
    seen,
    statements,
    packetOf: (statement, after = 0) => packetsOfStatements.find((packet, index) => packet > after && statements[index] === statement) ?? 0,
    cuts: () => cuts,
    cutAt(next) {
      startOver(next);
      dead = false;
      cuts = 0;
      wasCut = Promise.withResolvers();
    },
    cut: () => wasCut.promise,
    release() {
      const { server: upstream, bytes } = held ?? { server: null, bytes: Buffer.alloc(0) };
      upstream?.write(bytes, () => upstream.end());
      held = null;
    },
    drop() {
      held?.server.destroy();
      held = null;
    },
    async close() {
      held?.server.destroy();
      for (const pair of pairs) {
        pair.client.destroy();
        pair.server.destroy();
      }
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Calls `onPacket` for each whole packet: three bytes of length, one of sequence, the payload. */
function splitter(onPacket: (packet: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4) {
      const size = 4 + rest.readUIntLE(0, 3);
      if (rest.length < size) return;
      onPacket(rest.subarray(0, size));
      rest = rest.subarray(size);
    }
  };
}
