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
      partitions: async (): Promise<string[]> => ['persistent://public/default/t'],
      seeks: [] as string[],
      /** What the addon does when it is told to go back once more. */
      again: async (): Promise<void> => undefined,
      closes: 0,
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
        if (state.seeks.length > 1) await state.again();
        if (comes === 'later' && state.seeks.length < 3) return null;
        queue = [0, 1, 2].map((entry) => messageOf(`m${entry}`, entry));
        clock.setTimer(comes === 'late' ? 10 : 0, () => void bringAll());
        return null;
      },
      close: async () => {
        state.closes += 1;
        return null;
      },
    } as unknown as Reader;
    const client = clientWith({
      getPartitionsForTopic: async () => {
        state.asked += 1;
        if (state.clientClosed) throw new Error('Failed to GetPartitionsForTopic: AlreadyClosed');
        return state.partitions();
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

  /** When {@link setUp} has made a reader, it goes back once more after this. */
  const toAgain = 1_790;

  it.each([[['t-partition-0']], [['t-partition-0', 't-partition-1']]])(
    'never goes back once more of a topic with partitions: %s',
    async (names) => {
      const { clock, state, broker } = await setUp('earliest', 'later');
      state.partitions = async () => names.map((name) => `persistent://public/default/${name}`);
      await clock.advance(100_000);
      expect(state.seeks).toHaveLength(1);
      expect(state.asked).toBe(1);
      await broker.close();
    },
  );

  it('goes back once more the next time if nobody can tell whether the topic has partitions', async () => {
    const { clock, state, broker } = await setUp('earliest', 'later');
    const { partitions } = state;
    state.partitions = () => Promise.reject(new Error('Failed to GetPartitionsForTopic: TimeOut'));
    await clock.advance(toAgain);
    expect(state.seeks).toHaveLength(1);
    state.partitions = partitions;
    await clock.advance(4_000);
    expect(state.seeks).toHaveLength(2);
    await broker.close();
  });

  it('goes back once more the next time if it is not connected', async () => {
    const { clock, state, broker, made } = await setUp('earliest', 'later');
    state.connected = false;
    await clock.advance(toAgain);
    state.connected = true;
    await clock.advance(3_999);
    expect(state.seeks).toHaveLength(1);
    await clock.advance(1);
    expect(state.seeks).toHaveLength(2);
    expect(made.gaps).toBe(1);
    await broker.close();
  });

  it('does not go back once more if something comes, or it is closed, while it asks for partitions', async () => {
    for (const happens of ['message', 'close']) {
      const { clock, state, broker, made, bring } = await setUp('earliest', 'later');
      const answer = Promise.withResolvers<string[]>();
      state.partitions = () => answer.promise;
      await clock.advance(toAgain);
      if (happens === 'message') bring(messageOf('m0', 0));
      else await made.close();
      answer.resolve(['persistent://public/default/t']);
      await clock.settle();
      if (happens === 'close') expect(clock.pendingTimers).toBe(0);
      await clock.advance(100_000);
      expect(state.seeks).toHaveLength(1);
      await broker.close();
    }
  });

  it('goes back once more in the turn in which nothing has come', async () => {
    const { clock, state, broker } = await setUp('earliest', 'later');
    await clock.advance(toAgain - 1);
    expect(state.seeks).toHaveLength(1);
    await clock.advance(1);
    expect(state.seeks).toHaveLength(2);
    await broker.close();
  });

  it.each(['before', 'after'] as const)(
    'does not count it that it goes back once more, be it told %s it is connected again',
    async (told) => {
      const { clock, state, broker, made } = await setUp('earliest', 'later');
      const away = async (): Promise<void> => {
        state.connected = false;
        await clock.sleep(100);
        state.connected = true;
      };
      state.again = async () => {
        if (told === 'before') return void away();
        await clock.sleep(70);
        await away();
      };
      await clock.advance(100_000);
      expect(state.seeks).toHaveLength(3);
      expect(made.gaps).toBe(0);
      state.connected = false;
      await clock.advance(100);
      state.connected = true;
      await clock.advance(100);
      expect(made.gaps).toBe(1);
      await broker.close();
    },
  );

  it('counts a loss that was over just before it goes back once more', async () => {
    const { clock, state, broker, made } = await setUp('earliest', 'later');
    await clock.advance(toAgain - 60);
    state.connected = false;
    await clock.advance(30);
    state.connected = true;
    await clock.advance(30);
    expect(state.seeks).toHaveLength(2);
    expect(made.gaps).toBe(1);
    await broker.close();
  });

  it('counts a loss that begins while it goes back once more, and lasts', async () => {
    const { clock, state, broker, made } = await setUp('earliest', 'later');
    state.again = async () => {
      state.connected = false;
    };
    await clock.advance(toAgain + 1_100);
    state.connected = true;
    await clock.advance(100);
    expect(made.gaps).toBe(1);
    await broker.close();
  });

  it('gives what has come, and counts a loss, if going back once more fails', async () => {
    const { clock, state, broker, made, bring } = await setUp('earliest', 'later');
    const got: string[] = [];
    const receiving = made.receive(10).then((messages) => got.push(...messages.map(text)));
    state.again = async () => {
      bring(messageOf('m0', 0));
      state.connected = false;
      throw new Error('Failed to seek message by id: Disconnected');
    };
    await clock.advance(toAgain + 100);
    expect(got).toEqual(['m0']);
    state.connected = true;
    await clock.advance(100);
    expect(made.gaps).toBe(1);
    await receiving;
    await broker.close();
  });

  it('is closed when the addon has said that it has gone back', async () => {
    const { clock, state, broker, made } = await setUp('earliest', 'later');
    const said = Promise.withResolvers<void>();
    state.again = () => said.promise;
    await clock.advance(toAgain);
    expect(state.seeks).toHaveLength(2);
    const closing = Promise.all([made.close(), broker.close()]);
    await clock.advance(900);
    expect(state.closes).toBe(0);
    said.resolve();
    await closing;
    expect(state.closes).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is closed after a second if the addon does not say so', async () => {
    const { clock, state, broker, made } = await setUp('earliest', 'later');
    const said = Promise.withResolvers<void>();
    state.again = () => said.promise;
    await clock.advance(toAgain);
    const closing = made.close();
    await clock.advance(1_000);
    expect(state.closes).toBe(1);
    await closing;
    said.resolve();
    await clock.settle();
    expect(clock.pendingTimers).toBe(0);
    await broker.close();
  });

  it('leaves no timer when it is closed right after it has gone back once more', async () => {
    const { clock, state, made, broker, bring } = await setUp('earliest', 'later');
    state.again = async () => void bring(messageOf('m0', 0));
    await clock.advance(toAgain + 1);
    await made.close();
    expect(state.closes).toBe(1);
    expect(clock.pendingTimers).toBe(0);
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
