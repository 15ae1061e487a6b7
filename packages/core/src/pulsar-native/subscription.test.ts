import type { Consumer, Message, Producer } from 'pulsar-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { BrokerSubscription, IncomingMessage } from '../broker/port.ts';
import { settleTurns } from '../testing/settle.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { addonShim } from './addon-shim.fixture.ts';
import { createPulsarNativeBroker, type PulsarNativeBroker } from './broker.ts';
import { clientWith, messageOf } from './fake-client.fixture.ts';

/** A copy of a message: the addon makes another object each time it comes. */
const copyOf = (name: string): Message => messageOf(name, Number(name.slice(1)));

/** What a client and its consumer do, as far as a test says. */
function setUp() {
  const waiting: PromiseWithResolvers<Message[]>[] = [];
  const queue: Message[] = [];
  const state = { connected: true, acknowledged: [] as Message[], published: [] as string[] };
  const consumer: Partial<Consumer> = {
    batchReceive: () => {
      const call = Promise.withResolvers<Message[]>();
      const first = queue.shift();
      if (first === undefined) waiting.push(call);
      else call.resolve([first]);
      return call.promise;
    },
    isConnected: () => state.connected,
    acknowledge: async (message) => {
      state.acknowledged.push(message);
      return null;
    },
    close: async () => null,
  };
  const producer = {
    send: async ({ data }: { data: Buffer }) => {
      state.published.push(data.toString());
      return { toString: () => '(2,0,-1,-1)' };
    },
    flush: async () => null,
    close: async (): Promise<null> => null,
  };
  const client = clientWith({ subscribe: async () => consumer as Consumer, createProducer: async () => producer as unknown as Producer });
  const bring = (...messages: Message[]): void => {
    for (const message of messages) {
      const call = waiting.shift();
      if (call === undefined) queue.push(message);
      else call.resolve([message]);
    }
  };
  const clock = createVirtualClock();
  return { clock, state, consumer, producer, bring, broker: createPulsarNativeBroker({ client, addon: addonShim, clock }) };
}

describe('a subscription by the addon', () => {
  let world: ReturnType<typeof setUp>;
  let broker: PulsarNativeBroker;
  beforeEach(() => {
    world = setUp();
    broker = world.broker;
  });
  afterEach(() => broker.close());

  /** What is handed out from now on. */
  function receiveAll(subscription: BrokerSubscription): string[] {
    const got: string[] = [];
    const receive = async (): Promise<void> => {
      for (const { payload } of await subscription.receive(10)) got.push(Buffer.from(payload).toString());
      await receive();
    };
    receive().catch(() => undefined);
    return got;
  }
  const take = async (subscription: BrokerSubscription): Promise<IncomingMessage> => {
    const [first] = await subscription.receive(1);
    if (first === undefined) throw new Error('nothing came');
    return first;
  };

  it('says that an acknowledgement cannot be sent, and does not hand a message out again that was handled meanwhile', async () => {
    const { state, bring } = world;
    const subscription = await broker.subscribe({ topic: 't', subscription: 's', type: 'key-shared' });
    bring(copyOf('m1'));
    const m1 = await take(subscription);
    const got = receiveAll(subscription);
    state.connected = false;
    await expect(subscription.acknowledge([m1])).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'PULSAR_UNREACHABLE' });
    expect(state.acknowledged).toEqual([]);
    state.connected = true;
    const again = copyOf('m1');
    bring(again, copyOf('m2'));
    await settleTurns(5);
    expect(got).toEqual(['m2']);
    await subscription.acknowledge([m1]);
    expect(state.acknowledged).toEqual([again]);
  });

  it('does not hand a message out after a later one of its key though it was acknowledged before its second copy came', async () => {
    const { state, bring } = world;
    const subscription = await broker.subscribe({ topic: 't', subscription: 's', type: 'key-shared' });
    bring(copyOf('m1'), copyOf('m2'));
    const [m1, m2] = [await take(subscription), await take(subscription)];
    const got = receiveAll(subscription);
    state.connected = false;
    await expect(subscription.acknowledge([m1])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    state.connected = true;
    // The one was refused before, the other was handled only now.
    await subscription.acknowledge([m1]);
    await subscription.acknowledge([m2]);
    const again = [copyOf('m1'), copyOf('m2')];
    bring(...again, copyOf('m3'));
    await settleTurns(5);
    expect(got).toEqual(['m3']);
    expect(state.acknowledged.slice(2)).toEqual(again);
  });

  it('moves a dead letter once, however long its acknowledgement cannot be sent', async () => {
    const { clock, state, bring } = world;
    const deadLetter = { topic: 'dead', maxRedeliveries: 0, subscription: false } as const;
    const subscription = await broker.subscribe({ topic: 't', subscription: 's', deadLetter });
    const got = receiveAll(subscription);
    const first = copyOf('m1');
    first.getRedeliveryCount = () => 1;
    state.connected = false;
    bring(first);
    await settleTurns(5);
    for (let second = 0; second < 3; second++) await clock.advance(1_000);
    state.connected = true;
    await clock.advance(1_000);
    await settleTurns(5);
    expect([got, state.published, state.acknowledged]).toEqual([[], ['m1'], [first]]);
  });

  it('closes though the addon cannot tell the broker, which knows by the connection that is gone', async () => {
    const { consumer, producer } = world;
    consumer.close = () => Promise.reject(new Error('Failed to close consumer: Disconnected'));
    producer.close = () => Promise.reject(new Error('Failed to close producer: TimeOut'));
    await broker.subscribe({ topic: 't', subscription: 's' });
    await broker.createProducer({ topic: 't' });
    await broker.close();
  });

  it('lets no move of its cursor wait for ever when it is closed meanwhile', async () => {
    world.consumer.seek = () => new Promise(() => undefined);
    const subscription = await broker.subscribe({ topic: 't', subscription: 's' });
    const moved = expect(subscription.seek('earliest')).rejects.toMatchObject({ code: 'CANCELED', reason: 'CONSUMER_CLOSED' });
    await settleTurns(2);
    await subscription.close();
    await moved;
  });
});
