import type { Client, ClientConfig, Producer, ProducerConfig, Reader } from 'pulsar-client';
import { describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../logger/port.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { addonShim } from './addon-shim.fixture.ts';
import { createPulsarNativeBroker } from './broker.ts';
import { clientWith } from './fake-client.fixture.ts';
import type { Addon } from './options.ts';

describe('a broker on a client of the caller', () => {
  it('leaves it open', async () => {
    const client = clientWith({});
    const broker = createPulsarNativeBroker({ client, addon: addonShim });
    await broker.ping();
    await broker.close();
    expect(client.closes).toBe(0);
  });

  it('does not wait for ever for an answer', async () => {
    const clock = createVirtualClock();
    const client = clientWith({ getPartitionsForTopic: () => new Promise(() => undefined) });
    const pinged = createPulsarNativeBroker({ client, addon: addonShim, clock, pingTimeoutMs: 2_000 }).ping();
    const refused = expect(pinged).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'PULSAR_TIMEOUT' });
    await clock.advance(2_000);
    await refused;
  });

  it('takes it for an answer that there is no topic to ask for: the broker may make none by itself', async () => {
    const client = clientWith({
      getPartitionsForTopic: () => Promise.reject(new Error('Failed to GetPartitionsForTopic: TopicNotFound')),
    });
    await using broker = createPulsarNativeBroker({ client, addon: addonShim });
    await broker.ping();
  });

  it('never lets the addon hold the event loop while a queue is full, and batches by key', async () => {
    const configs: ProducerConfig[] = [];
    const client = clientWith({
      createProducer: async (config) => {
        configs.push(config);
        return { flush: async () => null, close: async () => null } as unknown as Producer;
      },
    });
    await using broker = createPulsarNativeBroker({
      client,
      addon: addonShim,
      producer: { compressionType: 'LZ4', maxPendingMessages: 5 },
    });
    const producer = await broker.createProducer({ topic: 'orders' });
    expect(configs).toMatchObject([
      {
        topic: 'persistent://public/default/orders',
        batchingType: 'KeyBasedBatching',
        hashingScheme: 'JavaStringHash',
        compressionType: 'LZ4',
        maxPendingMessages: 5,
        blockIfQueueFull: false,
      },
    ]);
    const payload = Buffer.from('x');
    for (const wrong of [{ key: '' }, { key: 'a\0b' }, { properties: { length: '1' } }, { properties: { a: 'b\0' } }]) {
      await expect(producer.send({ payload, ...wrong })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'BAD_MESSAGE' });
    }
  });

  it('keeps the order of keys and their partitions though an option is there that says nothing', async () => {
    const configs: ProducerConfig[] = [];
    const client = clientWith({
      createProducer: async (config) => {
        configs.push(config);
        return { flush: async () => null, close: async () => null } as unknown as Producer;
      },
    });
    const producer = { batchingType: undefined, hashingScheme: null } as object;
    await using broker = createPulsarNativeBroker({ client, addon: addonShim, producer });
    await broker.createProducer({ topic: 'orders' });
    expect(configs).toMatchObject([{ batchingType: 'KeyBasedBatching', hashingScheme: 'JavaStringHash' }]);
  });

  it('says that it cannot tell a backlog', async () => {
    const client = clientWith({ subscribe: async () => ({ isConnected: () => true, close: async () => null }) as never });
    await using broker = createPulsarNativeBroker({ client, addon: addonShim });
    const consumer = await broker.subscribe({ topic: 't', subscription: 's' });
    await expect(consumer.backlog()).rejects.toMatchObject({ code: 'UNSUPPORTED', reason: 'BACKLOG_UNKNOWN' });
  });
});

describe('a subscription', () => {
  it('says when it has been cut off for some seconds, and when it is back: the addon itself tells nobody', async () => {
    const clock = createVirtualClock();
    let connected = true;
    const consumer = { isConnected: () => connected, receive: () => new Promise(() => undefined), close: async () => null };
    const client = clientWith({ subscribe: async () => consumer as never });
    await using broker = createPulsarNativeBroker({ client, addon: addonShim, clock });
    const told: (string | undefined)[] = [];
    const subscription = await broker.subscribe({ topic: 't', subscription: 's', onOutage: (error) => void told.push(error?.reason) });
    connected = false;
    await clock.advance({ seconds: 3 });
    expect(told).toEqual([]);
    await clock.advance({ minutes: 1 });
    expect(told).toEqual(['PULSAR_UNREACHABLE']);
    connected = true;
    await clock.advance({ seconds: 1 });
    expect(told).toEqual(['PULSAR_UNREACHABLE', undefined]);
    await subscription.close();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('a client that the broker makes', () => {
  /** An addon whose clients are all the same; says what each was made of. */
  function addonOf(client: Client): { addon: Addon; made: ClientConfig[] } {
    const made: ClientConfig[] = [];
    class Native {
      constructor(config: ClientConfig) {
        made.push(config);
        // biome-ignore lint/correctness/noConstructorReturn: it stands for a class of native code
        return client;
      }
    }
    return { addon: { ...addonShim, Client: Native } as unknown as Addon, made };
  }

  it('verifies host names though the option is there and says nothing', async () => {
    const { addon, made } = addonOf(clientWith({}));
    const options = { serviceUrl: 'pulsar+ssl://localhost:6651', tlsValidateHostname: undefined, client: undefined };
    await using broker = createPulsarNativeBroker({ ...(options as { serviceUrl: string }), addon });
    await broker.ping();
    expect(made).toMatchObject([{ tlsValidateHostname: true }]);
  });

  it('verifies host names, logs to the logger, and is closed with the broker', async () => {
    const client = clientWith({});
    const { addon, made } = addonOf(client);
    const lines: unknown[] = [];
    const log = (fields: unknown, text: string): unknown => lines.push([fields, text]);
    const logger = { debug: log, info: log, warn: log, error: log } as unknown as Logger;
    const broker = createPulsarNativeBroker({ serviceUrl: 'pulsar://localhost:6650', operationTimeoutSeconds: 7, addon, logger });
    expect(made).toEqual([]);
    await broker.ping();
    await broker.ping();
    expect(made).toMatchObject([{ serviceUrl: 'pulsar://localhost:6650', operationTimeoutSeconds: 7, tlsValidateHostname: true }]);
    made[0]?.log?.(2, 'Client.cc', 7, 'connection lost');
    expect(lines).toEqual([[{ file: 'Client.cc', line: 7 }, 'connection lost']]);
    await broker.close();
    expect(client.closes).toBe(1);
  });

  it('leaves the log of the process to whoever has it, unless it has a logger', async () => {
    const { addon, made } = addonOf(clientWith({}));
    await using broker = createPulsarNativeBroker({ serviceUrl: 'pulsar://localhost:6650', addon });
    await broker.ping();
    expect(made).toHaveLength(1);
    expect(made[0]).not.toHaveProperty('log');
    expect(made[0]).not.toHaveProperty('logLevel');
  });

  it('does not take the log again when a reader wants a client of its own', async () => {
    const reader = { isConnected: () => true, close: async () => null } as unknown as Reader;
    for (const options of [{ logger: silentLogger }, { log: () => undefined }]) {
      const { addon, made } = addonOf(clientWith({ createReader: async () => reader }));
      await using broker = createPulsarNativeBroker({ serviceUrl: 'pulsar://localhost:6650', addon, ...options });
      await broker.createReader({ topic: 't' });
      expect(made.map(({ log }) => typeof log)).toEqual(['function', 'undefined']);
    }
  });

  it('is closed though it says that something of it was not', async () => {
    const client = clientWith({ close: () => Promise.reject(new Error('Failed to close client: Timeout')) });
    const broker = createPulsarNativeBroker({ serviceUrl: 'pulsar://localhost:6650', addon: addonOf(client).addon });
    await broker.ping();
    await broker.close();
  });

  it('that cannot be made is told as a bad option', async () => {
    const broker = createPulsarNativeBroker({ addon: addonShim } as never);
    await expect(broker.ping()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'BAD_OPTIONS' });
  });
});
