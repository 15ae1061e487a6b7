import { createServer, type Server } from 'node:net';

const firstPort = 21_000;
/** From here on Linux gives ports to outgoing connections. */
const endPort = 32_768;
const blockSize = 64;

/** The first port of each block that this process has: while it listens there the rest of the block is its own. It ends with the process. */
const held: Server[] = [];

async function listenOn(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return server;
}

/** The first of so many neighbouring ports, 63 at most, that nobody listens on, and that no other process which asks here gets while this one runs. */
export async function neighbouringPorts(count: number): Promise<number> {
  if (count >= blockSize) throw new Error(`${count} neighbouring ports were asked for, and there are ${blockSize - 1} at most`);
  for (let block = firstPort; block + blockSize <= endPort; block += blockSize) {
    const servers: Server[] = [];
    try {
      for (let port = block; port <= block + count; port++) servers.push(await listenOn(port));
      const [first] = servers.splice(0, 1);
      first?.unref();
      if (first !== undefined) held.push(first);
      return block + 1;
    } catch {
      // One of them is taken: try those that follow.
    } finally {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    }
  }
  throw new Error(`no ${count} free ports`);
}
