import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** `up`: from the client to the broker; `down`: the other way. */
export type Direction = 'up' | 'down';

/** What is done to one connection. Positions count the bytes of a direction from 0. */
export interface Faults {
  /** Both sides are cut when so many bytes have passed. */
  readonly cut?: { readonly direction: Direction; readonly afterBytes: number };
  /** One byte arrives as another. */
  readonly corrupt?: { readonly direction: Direction; readonly at: number };
  /** Nothing passes any more from here on, and nobody is told: a half-open link. */
  readonly stall?: { readonly direction: Direction; readonly afterBytes: number };
  /** Every piece of data arrives so much later, in milliseconds. */
  readonly delayMs?: number;
  /** No more bytes pass in a second and direction; who sends more has to wait. */
  readonly bytesPerSecond?: number;
  /** Pieces are no larger than this. */
  readonly pieceBytes?: number;
}

/** A proxy between client and broker that does harm when told. */
export interface FaultProxy {
  readonly port: number;
  /** `pulsar://127.0.0.1:port` */
  readonly serviceUrl: string;
  /** Connections made so far. */
  readonly accepted: number;
  /** Connections open now. */
  readonly open: number;
  /** What is done to connections made from now on; by their number, from 0, if a function is given. */
  setFaults(faults: Faults | ((connection: number) => Faults)): void;
  /** Cuts all connections that are open. Returns how many those were. */
  cutAll(): number;
  /** Lets nothing pass in either direction on any connection until `resume`; what came meanwhile is lost. New ones are accepted and stay silent. */
  stallAll(): void;
  resume(): void;
  /** Cuts new connections as soon as they are made. */
  refuse(refuse: boolean): void;
  close(): Promise<void>;
}

/** What a slow link holds at most, in bytes, before its sender has to wait. */
const HELD_BYTES = 65_536;

interface Link {
  readonly client: Socket;
  readonly broker: Socket;
}

/** Starts a proxy on a free loopback port. `target` is `host:port` or a URL with one. */
export async function createFaultProxy(options: { readonly target: string; readonly faults?: Faults }): Promise<FaultProxy> {
  const [host = '', port = ''] = options.target.replace(/^[a-z+]+:\/\//, '').split(':');
  const links = new Set<Link>();
  let faultsOf: (connection: number) => Faults = () => options.faults ?? {};
  let accepted = 0;
  let stalled = false;
  let refusing = false;

  function cut(link: Link): void {
    links.delete(link);
    link.client.destroy();
    link.broker.destroy();
  }

  function pipe(link: Link, direction: Direction, faults: Faults): void {
    const [from, to] = direction === 'up' ? [link.client, link.broker] : [link.broker, link.client];
    let passed = 0;
    let lost = false;

    function pass(piece: Buffer): void {
      const { corrupt } = faults;
      let data = piece;
      if (corrupt?.direction === direction && corrupt.at >= passed && corrupt.at < passed + piece.length) {
        data = Buffer.from(piece);
        data[corrupt.at - passed] = (data[corrupt.at - passed] ?? 0) ^ 0x40;
      }
      const stall = faults.stall?.direction === direction ? faults.stall.afterBytes : Number.POSITIVE_INFINITY;
      const end = faults.cut?.direction === direction ? faults.cut.afterBytes : Number.POSITIVE_INFINITY;
      const through = data.subarray(0, Math.max(0, Math.min(stall, end) - passed));
      passed += piece.length;
      if (through.length > 0 && !to.destroyed) to.write(through);
      if (passed >= stall) lost = true;
      // What was written must arrive before the end does.
      if (passed >= end) {
        links.delete(link);
        to.end(() => cut(link));
        from.destroy();
      }
    }

    const { delayMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = faults;
    const held: { readonly piece: Buffer; readonly sinceMs: number }[] = [];
    let heldBytes = 0;
    let letting = false;

    /** Lets pass what is held, each piece when it is due. */
    async function letThrough(): Promise<void> {
      if (letting) return;
      letting = true;
      let doneMs = 0;
      for (let next = held.shift(); next !== undefined; next = held.shift()) {
        const { piece, sinceMs } = next;
        doneMs = Math.max(sinceMs + delayMs, doneMs) + (piece.length / bytesPerSecond) * 1_000;
        const waitMs = doneMs - performance.now();
        if (waitMs > 0) await delay(waitMs);
        heldBytes -= piece.length;
        if (heldBytes <= HELD_BYTES) from.resume();
        if (!lost && links.has(link)) pass(piece);
      }
      letting = false;
    }

    from.on('data', (chunk: Buffer) => {
      if (stalled || lost) return;
      const size = faults.pieceBytes ?? chunk.length;
      const pieces: Buffer[] = [];
      for (let at = 0; at < chunk.length; at += size) pieces.push(chunk.subarray(at, at + size));
      if (faults.delayMs === undefined && faults.bytesPerSecond === undefined) {
        for (const piece of pieces) if (!lost && links.has(link)) pass(piece);
        return;
      }
      const sinceMs = performance.now();
      held.push(...pieces.map((piece) => ({ piece, sinceMs })));
      heldBytes += chunk.length;
      if (heldBytes > HELD_BYTES) from.pause();
      void letThrough();
    });
    from.on('error', () => cut(link));
    from.on('close', () => cut(link));
  }

  const server = createServer((client) => {
    const number = accepted;
    accepted += 1;
    client.setNoDelay(true);
    if (refusing) {
      client.destroy();
      return;
    }
    const broker = connectTcp({ host, port: Number(port), noDelay: true });
    const link: Link = { client, broker };
    links.add(link);
    const faults = faultsOf(number);
    pipe(link, 'up', faults);
    pipe(link, 'down', faults);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const own = (server.address() as AddressInfo).port;

  return {
    port: own,
    serviceUrl: `pulsar://127.0.0.1:${own}`,
    get accepted() {
      return accepted;
    },
    get open() {
      return links.size;
    },
    setFaults(faults) {
      faultsOf = typeof faults === 'function' ? faults : () => faults;
    },
    cutAll() {
      const open = [...links];
      for (const link of open) cut(link);
      return open.length;
    },
    stallAll() {
      stalled = true;
    },
    resume() {
      stalled = false;
    },
    refuse(refuse) {
      refusing = refuse;
    },
    async close() {
      for (const link of [...links]) cut(link);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
