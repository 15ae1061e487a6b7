// Servers for one run of the tests on MariaDB or MySQL, in vitest's own process: a test asks over HTTP for the variant that it needs,
// the first to ask starts it, all share it, and the end of the run ends them. A run that asks for none starts none.
//
// PAYSTREAM_TEST_MYSQL=mysql://user:password@host:port/database uses a server that runs already as the default variant; its
// user must be allowed to make databases.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FlavorName } from './flavor.ts';
import { flavors } from './server.ts';
import { startVariant, type VariantServer } from './variants.ts';

function describe({ url, logFile, certificates }: VariantServer): object {
  return { url, logFile, certificates };
}

const isFlavor = (name: string): name is FlavorName => Object.hasOwn(flavors, name);

/** vitest's global set-up: a project named as a server has that, all others have MariaDB unless a test asks for another: `?flavor=mysql`. */
export async function setup(project: {
  readonly name: string;
  provide(key: 'sqlServers', value: string): void;
}): Promise<() => Promise<void>> {
  const usual: FlavorName = isFlavor(project.name) ? project.name : 'mariadb';
  const servers = new Map<string, Promise<VariantServer>>();

  function server(flavor: FlavorName, variant: string): Promise<VariantServer> {
    const name = `${flavor} ${variant}`;
    const started = servers.get(name) ?? startVariant(flavor, variant);
    servers.set(name, started);
    return started;
  }

  async function answer({ pathname, searchParams }: URL): Promise<object> {
    const [, variant = '', action = ''] = pathname.split('/');
    const flavor = searchParams.get('flavor') ?? usual;
    if (!isFlavor(flavor)) throw new Error(`there is no server "${flavor}"`);
    const existing = process.env['PAYSTREAM_TEST_MYSQL'];
    if (variant === 'default' && existing) {
      if (action !== 'start') throw new Error('tests do not stop the server that PAYSTREAM_TEST_MYSQL names');
      return { url: existing };
    }
    const running = await server(flavor, variant);
    if (action === 'kill') await running.kill();
    if (action === 'restart') await running.restart();
    if (action === 'freeze' || action === 'thaw') await running.freeze(action === 'freeze');
    return describe(running);
  }

  const http = createServer((request: IncomingMessage, response: ServerResponse) => {
    answer(new URL(request.url ?? '', 'http://localhost')).then(
      (body) => response.end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  http.requestTimeout = 0;
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  project.provide('sqlServers', `http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  return async () => {
    http.closeAllConnections();
    await new Promise((resolve) => http.close(resolve));
    const started = await Promise.allSettled(servers.values());
    await Promise.all(started.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.stop() : undefined)));
  };
}
