import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { token } from '../connection/auth/static.ts';
import { freshTopic, type RealBroker, realBroker } from '../testing/test-support.ts';
import { createPulsarClient, type PulsarClient } from './client.ts';
import type { PulsarClientOptions } from './options.ts';

let broker: RealBroker;
beforeAll(async () => {
  broker = await realBroker('secure');
});

/** The server name of a TLS ClientHello, which must come in one piece: RFC 8446 section 4.1.2, RFC 6066 section 3. */
function serverNameOf(hello: Buffer): string | undefined {
  let at = 5 + 4 + 2 + 32;
  at += 1 + hello.readUInt8(at);
  at += 2 + hello.readUInt16BE(at);
  at += 1 + hello.readUInt8(at);
  const end = at + 2 + hello.readUInt16BE(at);
  for (at += 2; at + 4 <= end; at += 4 + hello.readUInt16BE(at + 2)) {
    if (hello.readUInt16BE(at) === 0) return hello.toString('latin1', at + 9, at + 9 + hello.readUInt16BE(at + 7));
  }
  return undefined;
}

interface SniProxy {
  readonly serviceUrl: string;
  /** Of each connection so far, the broker that it asked for. */
  readonly names: readonly (string | undefined)[];
}

/** A proxy that leads every name to the broker. It never looks into what it passes on. */
async function startProxy(): Promise<SniProxy> {
  const names: (string | undefined)[] = [];
  const sockets = new Set<Socket>();
  const target = Number(new URL(broker.serviceUrlTls ?? '').port);
  const server = createServer((client) => {
    client.once('data', (hello) => {
      names.push(serverNameOf(hello));
      const upstream = connect(target, '127.0.0.1');
      upstream.write(hello);
      client.pipe(upstream).pipe(client);
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        sockets.add(one);
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { serviceUrl: `pulsar+ssl://127.0.0.1:${(server.address() as AddressInfo).port}`, names };
}

async function clientThrough(proxy: SniProxy, options: Partial<PulsarClientOptions> = {}): Promise<PulsarClient> {
  const { secrets } = broker;
  if (secrets === undefined) throw new Error('the broker has no TLS');
  const client = createPulsarClient({
    // Nothing listens there: whoever gets through came by the proxy.
    serviceUrl: 'pulsar+ssl://localhost:1',
    proxyServiceUrl: proxy.serviceUrl,
    proxyProtocol: 'sni',
    tls: { ca: await readFile(secrets.ca), ...options.tls },
    authentication: token(secrets.adminToken),
    operationTimeoutMs: 10_000,
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

it('reaches a broker through a proxy that goes by the server name of TLS, for look-ups and for messages', async () => {
  const proxy = await startProxy();
  const client = await clientThrough(proxy);
  const topic = freshTopic('sni');
  const consumer = await client.subscribe({ topic, subscription: 's' });
  const producer = await client.createProducer({ topic });
  await producer.send({ value: 'by name' });
  expect((await consumer.receive()).data.toString()).toBe('by name');
  // The service URL, and the address that the broker advertises.
  expect(new Set(proxy.names)).toEqual(new Set(['localhost']));
  expect(proxy.names).toHaveLength(2);
});

it('still refuses a certificate that is not for the broker, whatever the proxy is called', async () => {
  const proxy = await startProxy();
  const client = await clientThrough(proxy, { serviceUrl: 'pulsar+ssl://broker-7:6651', operationTimeoutMs: 500 });
  await expect(client.createProducer({ topic: freshTopic('sni') })).rejects.toMatchObject({ code: 'NOT_CONNECTED' });
  expect(proxy.names[0]).toBe('broker-7');
});

it('takes the name of the certificate apart from the name that the proxy goes by', async () => {
  const proxy = await startProxy();
  const { ca } = broker.secrets ?? { ca: '' };
  const tls = { ca: await readFile(ca), serverName: 'localhost' };
  const client = await clientThrough(proxy, { serviceUrl: 'pulsar+ssl://broker-7:6651', tls });
  expect(await client.partitionsOf(freshTopic('sni'))).toHaveLength(1);
  expect(proxy.names).toEqual(['broker-7']);
});
