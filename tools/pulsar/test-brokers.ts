// Brokers for one run of the integration tests, in vitest's own process: a test asks over HTTP for the variant that it
// needs, the first to ask starts it, all share it, and the end of the run ends them. A run that asks for none starts none.
// The same for the official Java and Python clients, which tests write and read with to compare.
//
// PAYSTREAM_TEST_PULSAR=pulsar://127.0.0.1:6650,http://127.0.0.1:8080 uses a broker that runs already as the default variant.
// PAYSTREAM_NATIVE_PULSAR=1 tests the adapter of the native addon `pulsar-client` on the addon itself.
// PAYSTREAM_PULSAR_MESSAGES and PAYSTREAM_PULSAR_SOAK_MINUTES say how long the runs in `endurance` are.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ClientProcess } from './client-process.ts';
import { startJavaClient } from './java-client.ts';
import { startPythonClient } from './python-client.ts';
import { type BrokerVariant, startVariant, type VariantBroker } from './variants.ts';

const variants: readonly string[] = ['default', 'mortal', 'small', 'secure', 'blue', 'green', 'tidy'] satisfies readonly BrokerVariant[];

function describe(broker: VariantBroker): object {
  const { serviceUrl, serviceUrlTls, adminUrl, webServiceUrl, logFile, secrets } = broker;
  return { serviceUrl, serviceUrlTls, adminUrl, webServiceUrl, logFile, secrets };
}

function existing(): object | undefined {
  const [serviceUrl, adminUrl] = (process.env['PAYSTREAM_TEST_PULSAR'] ?? '').split(',');
  if (!serviceUrl || !adminUrl) return undefined;
  return { serviceUrl, adminUrl, webServiceUrl: adminUrl.replace('http', 'ws') };
}

interface Project {
  provide(key: 'pulsarBrokers', value: string): void;
  provide(key: 'pulsarAddon', value: boolean): void;
  provide(key: 'pulsarEndurance', value: { readonly messages: number; readonly soakMinutes: number }): void;
}

/** vitest's global set-up of the project `pulsar`. */
export async function setup(project: Project): Promise<() => Promise<void>> {
  const brokers = new Map<string, Promise<VariantBroker>>();

  function broker(variant: string): Promise<VariantBroker> {
    let started = brokers.get(variant);
    if (started === undefined) {
      started = startVariant(variant as BrokerVariant);
      brokers.set(variant, started);
    }
    return started;
  }

  const clients = new Map<string, Promise<ClientProcess>>();

  function client(name: string, start: () => Promise<ClientProcess>): Promise<ClientProcess> {
    const started = clients.get(name) ?? start();
    clients.set(name, started);
    return started;
  }

  async function answer(path: string): Promise<object> {
    const [, variant = '', action = ''] = path.split('/');
    if (variant === 'java-client') return { url: (await client(variant, startJavaClient)).url };
    if (variant === 'python-client') return { url: (await client(variant, startPythonClient)).url };
    if (!variants.includes(variant)) throw new Error(`there is no broker "${variant}", only ${variants.join(', ')}`);
    if (variant === 'default') {
      if (action !== 'start') throw new Error('all tests share the broker "default": one that may be stopped is "mortal"');
      const own = existing();
      if (own !== undefined) return own;
    }
    const running = await broker(variant);
    if (action === 'kill') await running.kill();
    if (action === 'restart') await running.restart();
    return describe(running);
  }

  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    answer(request.url ?? '').then(
      (body) => response.end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  // Starting a broker takes longer than a server waits by default.
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('pulsarAddon', process.env['PAYSTREAM_NATIVE_PULSAR'] === '1');
  project.provide('pulsarBrokers', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  project.provide('pulsarEndurance', {
    messages: Number(process.env['PAYSTREAM_PULSAR_MESSAGES'] ?? 1_000_000),
    soakMinutes: Number(process.env['PAYSTREAM_PULSAR_SOAK_MINUTES'] ?? 0),
  });
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    const startedClients = await Promise.allSettled(clients.values());
    await Promise.all(startedClients.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.stop() : undefined)));
    const started = await Promise.allSettled(brokers.values());
    await Promise.all(started.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.stop() : undefined)));
  };
}
