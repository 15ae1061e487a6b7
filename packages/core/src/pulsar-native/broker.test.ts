import type { Client, ClientConfig, Message, Producer, ProducerConfig, Reader, ReaderConfig } from 'pulsar-client';
import { describe, expect, it } from 'vitest';
import { type Logger, silentLogger } from '../logger/port.ts';
import { settleTurns } from '../testing/settle.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { addonShim } from './addon-shim.fixture.ts';
import { createPulsarNativeBroker } from './broker.ts';
import type { Addon } from './options.ts';

/** A client of which a test says what it does. */
function clientWith(parts: Partial<Client>): Client & { closes: number } {
  const client = {
    closes: 0,
    createProducer: () => Promise.reject(new Error('Failed to create producer: UnknownError')),
    subscribe: () => Promise.reject(new Error('Failed to create consumer: UnknownError')),
    createReader: () => Promise.reject(new Error('Failed to create reader: UnknownError')),
    getPartitionsForTopic: async () => [],
    close: async () => {
      client.closes += 1;
      return null;
    },
    ...parts,
  };
  return client;
}

const message = (text: string, entry: number, properties: Record<string, string> = {}): Message =>
  ({
    getMessageId: () => ({ toString: () => `(1,${entry},-1,-1)` }),
    getData: () => Buffer.from(text),
    getPartitionKey: () => '',
    getEventTimestamp: () => 0,
    getPublishTimestamp: () => 1,
    getRedeliveryCount: () => 0,
    getProperties: () => Object.assign([], properties),
  }) as unknown as Message;

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

describe('a reader', () => {
  async function setUp(start: 'earliest' | 'latest' = 'latest', comes: 'before' | 'soon' | 'late' = 'late') {
    const clock = createVirtualClock();
    const state = {
      connected: true,
      clientClosed: false,
      asked: 0,
      seeks: [] as string[],
      listener: undefined as ReaderConfig['listener'],
    };
    let queue: Message[] = [];
    let busy = false;
    /** What the addon does on a thread of its own: one message after the other, each when the one before was let go. */
    const bringAll = async (): Promise<void> => {
      if (busy) return;
      busy = true;
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await state.listener?.(next, reader);
      busy = false;
    };
    const reader = {
      isConnected: () => state.connected,
      seek: async (id: { toString(): string }) => {
        state.seeks.push(String(id));
        queue = [0, 1, 2].map((entry) => message(`m${entry}`, entry));
        clock.setTimer(comes === 'late' ? 10 : 0, () => void bringAll());
        return null;
      },
      close: async () => null,
    } as unknown as Reader;
    const client = clientWith({
      getPartitionsForTopic: async () => {
        state.asked += 1;
        if (state.clientClosed) throw new Error('Failed to GetPartitionsForTopic: AlreadyClosed');
        return [];
      },
      createReader: async (config) => {
        state.listener = config.listener;
        // Those before were dropped: the reader was not there for the listener.
        if (comes === 'before') {
          queue = [message('m2', 2)];
          void bringAll();
        }
        return reader;
      },
    });
    const broker = createPulsarNativeBroker({ client, addon: addonShim, clock });
    const making = broker.createReader({ topic: 't', start });
    for (const ms of [20, 1, 200]) {
      await settleTurns(2);
      await clock.advance(ms);
    }
    const made = await making;
    await clock.advance(10);
    return { clock, state, broker, made, bring: (one: Message): unknown => state.listener?.(one, reader) };
  }
  const text = ({ payload }: { payload: Uint8Array }): string => Buffer.from(payload).toString();

  it.each([
    ['before it has gone back', 'before'],
    ['before it knows that it has', 'soon'],
    ['after that', 'late'],
  ] as const)('gets what the addon dropped before its listener was there, once and in order, if a message comes %s', async (_, comes) => {
    const { state, broker, made } = await setUp('earliest', comes);
    expect(state.seeks).toEqual(['(-1,-1,-1,-1)']);
    const got: string[] = [];
    while (got.length < 3) got.push(...(await made.receive(10)).map(text));
    expect(got).toEqual(['m0', 'm1', 'm2']);
    await broker.close();
  });

  it('sees that it was away', async () => {
    const { clock, state, broker, made } = await setUp();
    await clock.advance(1_000);
    expect(made.gaps).toBe(0);
    state.connected = false;
    await clock.advance(100);
    expect(made.gaps).toBe(0);
    state.connected = true;
    await clock.advance(100);
    expect(made.gaps).toBe(1);
    await broker.close();
  });

  it('ends when the client of the caller is closed under it, and nobody waits for ever', async () => {
    const { clock, state, broker, made } = await setUp();
    const waiting = made.receive(1).then(
      () => undefined,
      (error: unknown) => error,
    );
    state.connected = false;
    await clock.advance(5_000);
    expect(state.asked).toBeGreaterThan(1);
    expect(made.gaps).toBe(0);
    state.clientClosed = true;
    await clock.advance(1_000);
    expect(await waiting).toMatchObject({ code: 'CANCELED', reason: 'READER_CLOSED' });
    await expect(made.receive(1)).rejects.toMatchObject({ reason: 'READER_CLOSED' });
    expect(clock.pendingTimers).toBe(0);
    await broker.close();
  });

  it('holds the addon up when nobody receives, and lets it go when somebody does, or when it is closed', async () => {
    const { broker, made, bring } = await setUp();
    for (let entry = 0; entry < 999; entry++) expect(bring(message('m', entry))).toBe(undefined);
    const held = bring(message('m', 999)) as Promise<void>;
    await made.receive(1);
    await held;
    const again = bring(message('m', 1_000)) as Promise<void>;
    await broker.close();
    await again;
  });

  it('decrypts by the key that consumers decrypt by', async () => {
    const configs: ReaderConfig[] = [];
    const client = clientWith({
      createReader: async (config) => {
        configs.push(config);
        return { isConnected: () => true, close: async () => null } as unknown as Reader;
      },
    });
    const consumer = { privateKeyPath: '/keys/private.pem', cryptoFailureAction: 'CONSUME', properties: { a: 'b' } } as const;
    await using broker = createPulsarNativeBroker({ client, addon: addonShim, consumer });
    await broker.createReader({ topic: 't' });
    expect(configs).toMatchObject([{ privateKeyPath: '/keys/private.pem', cryptoFailureAction: 'CONSUME' }]);
    expect(configs[0]).not.toHaveProperty('properties');
  });

  it.each([{ cryptoKeyReader: {} as never }, { cryptoFailureAction: 'DISCARD' as const }])(
    'is refused where the addon would not let it decrypt as consumers do: %o',
    async (consumer) => {
      const createReader = async (): Promise<Reader> => ({ isConnected: () => true, close: async () => null }) as unknown as Reader;
      await using broker = createPulsarNativeBroker({ client: clientWith({ createReader }), addon: addonShim, consumer });
      await expect(broker.createReader({ topic: 't' })).rejects.toMatchObject({ code: 'UNSUPPORTED', reason: 'PULSAR_CANNOT_DO_IT' });
    },
  );

  it('takes a message whose properties the addon cannot read', async () => {
    const { broker, made, bring } = await setUp();
    bring(message('m', 0, { length: 'long' }));
    const [one] = await made.receive(1);
    expect(one?.properties).toEqual({});
    await broker.close();
  });
});
