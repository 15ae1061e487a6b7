import type { Message, Reader, ReaderConfig } from 'pulsar-client';
import { describe, expect, it } from 'vitest';
import { settleTurns } from '../testing/settle.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { addonShim } from './addon-shim.fixture.ts';
import { createPulsarNativeBroker } from './broker.ts';
import { clientWith, messageOf } from './fake-client.fixture.ts';

describe('a reader', () => {
  async function setUp(start: 'earliest' | 'latest' = 'latest', comes: 'before' | 'soon' | 'late' | 'later' = 'late') {
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
        if (comes === 'later' && state.seeks.length < 3) return null;
        queue = [0, 1, 2].map((entry) => messageOf(`m${entry}`, entry));
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
          queue = [messageOf('m2', 2)];
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

  it('goes back once more, and ever more seldom, if nothing comes: a broker may leave it at the end', async () => {
    const { clock, state, broker, made } = await setUp('earliest', 'later');
    const first = made.receive(10);
    const seeksAt: number[] = [];
    for (let second = 1; second <= 100; second++) {
      const before = state.seeks.length;
      await clock.advance(1_000);
      if (state.seeks.length > before) seeksAt.push(second);
    }
    expect(seeksAt).toEqual([2, 6]);
    const got = (await first).map(text);
    while (got.length < 3) got.push(...(await made.receive(10)).map(text));
    expect(got).toEqual(['m0', 'm1', 'm2']);
    await broker.close();
    expect(clock.pendingTimers).toBe(0);
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
    for (let entry = 0; entry < 999; entry++) expect(bring(messageOf('m', entry))).toBe(undefined);
    const held = bring(messageOf('m', 999)) as Promise<void>;
    await made.receive(1);
    await held;
    const again = bring(messageOf('m', 1_000)) as Promise<void>;
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
    bring(messageOf('m', 0, { properties: { length: 'long' } }));
    const [one] = await made.receive(1);
    expect(one?.properties).toEqual({});
    await broker.close();
  });
});
