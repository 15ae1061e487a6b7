// What the broker answers is told by a fake one: a real broker refuses somebody who was there before only when rights change.
import { beforeEach, describe, expect, it } from 'vitest';
import { type FakeEntry, type FakeTopic, fakeTopic } from '../../../pulsar/src/consumer/fake-topic.ts';
import { PartitionMetadataLookupType, ServerError, BaseCommand_Type as Type } from '../../../pulsar/src/gen/pulsar/wire_pb.ts';
import type { Broker, IncomingMessage, SubscribeOptions } from '../broker/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { createConsumer } from '../consumer/consumer.ts';
import { nameOf, type Step, steps } from '../consumer/test-support.ts';
import type { PaystreamError } from '../errors/paystream-error.ts';
import { createVirtualClock, type VirtualClock } from '../testing/virtual-clock.ts';
import { createPulsarBroker } from './broker.ts';

/** What the broker answers SUBSCRIBE with; `undefined`: success. */
let refusal: ServerError | undefined;
beforeEach(() => {
  refusal = undefined;
});

interface Stage extends AsyncDisposable {
  readonly topic: FakeTopic;
  readonly broker: Broker;
  readonly clock: VirtualClock;
  subscribes(): number;
  /** Lets time pass a little at a time, for sockets take turns that the clock does not see, until something holds. */
  until(holds: () => boolean): Promise<void>;
}

async function stage(): Promise<Stage> {
  const topic = await fakeTopic(({ subscribe, ack }, session) => {
    if (ack !== undefined) {
      session.send({ type: Type.ACK_RESPONSE, ackResponse: { consumerId: ack.consumerId, requestId: ack.requestId } });
      return true;
    }
    if (subscribe === undefined || refusal === undefined) return false;
    session.send({ type: Type.ERROR, error: { requestId: subscribe.requestId, error: refusal, message: 'no grant' } });
    return true;
  });
  const clock = createVirtualClock();
  const broker = createPulsarBroker({ client: topic.client, clock });
  return {
    topic,
    broker,
    clock,
    subscribes: () => topic.commands(Type.SUBSCRIBE).length,
    until: async (holds) => {
      await expect
        .poll(
          async () => {
            await clock.advance(100);
            return holds();
          },
          { timeout: 20_000, interval: 5 },
        )
        .toBe(true);
    },
    [Symbol.asyncDispose]: async () => {
      await topic[Symbol.asyncDispose]();
      await broker.close();
    },
  };
}

const step = (key: string, n: number): string => JSON.stringify({ key, n });

describe('a consumer that the broker does not take back', () => {
  it.each([
    ['AUTHORIZATION_ERROR', 'PULSAR_NOT_AUTHORIZED'],
    ['TOPIC_NOT_FOUND', 'TOPIC_NOT_FOUND'],
    ['SUBSCRIPTION_NOT_FOUND', 'SUBSCRIPTION_NOT_FOUND'],
    ['INCOMPATIBLE_SCHEMA', 'INCOMPATIBLE_SCHEMA'],
  ] as const)(
    'after %s is not ready, is joined again once it is permitted, and then gets and acknowledges messages',
    async (error, reason) => {
      await using on = await stage();
      const { topic, broker, clock } = on;
      const handled: string[] = [];
      const mayEnd = Promise.withResolvers<void>();
      const handler = async (value: Step): Promise<void> => {
        handled.push(nameOf(value));
        if (nameOf(value) === 'a1') await mayEnd.promise;
      };
      const consumer = await createConsumer(broker, steps, { subscription: 's', clock, handler });
      topic.deliver([{ entryId: 1, texts: [step('a', 1)], key: 'a' }]);
      await on.until(() => handled.length === 1);
      await consumer.check();

      refusal = ServerError[error];
      topic.cut();
      await on.until(() => consumer.status.state === 'paused');
      expect(consumer.status.pausedBy).toContain(reason);
      await expect(consumer.check()).rejects.toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining(reason) });
      // What was received before is handled, and cannot be acknowledged yet.
      mayEnd.resolve();
      const before = on.subscribes();
      await on.until(() => on.subscribes() > before + 2);
      expect([consumer.status.inFlight, topic.commands(Type.ACK)]).toEqual([1, []]);

      refusal = undefined;
      await on.until(() => consumer.status.state === 'running');
      await consumer.check();
      await on.until(() => consumer.status.inFlight === 0);
      topic.deliver([{ entryId: 2, texts: [step('b', 2)], key: 'b' }]);
      await on.until(() => handled.length === 2);
      await on.until(() => topic.commands(Type.ACK).length === 2);
      expect(topic.commands(Type.ACK).flatMap(({ ack }) => ack?.messageId.map(({ entryId }) => entryId))).toEqual([1n, 2n]);
      await consumer.close();
    },
  );

  it('gets a message that came again with the new connection once, and acknowledges the one that came last', async () => {
    await using on = await stage();
    const { topic, broker } = on;
    const subscription = await broker.subscribe({ topic: 'orders', subscription: 's', type: 'shared' });
    topic.deliver([{ entryId: 1, texts: ['a', 'b'] }]);
    const [a, b] = (await subscription.receive(10)) as [IncomingMessage, IncomingMessage];
    refusal = ServerError.AUTHORIZATION_ERROR;
    topic.cut();
    const refused = await subscription.receive(10).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'PERMISSION_DENIED', reason: 'PULSAR_NOT_AUTHORIZED' });
    await expect(subscription.acknowledge([a])).rejects.toMatchObject({ reason: 'PULSAR_NOT_AUTHORIZED' });
    await expect(subscription.backlog()).rejects.toMatchObject({ reason: 'PULSAR_NOT_AUTHORIZED' });
    await expect(subscription.seek('earliest')).rejects.toMatchObject({ reason: 'PULSAR_NOT_AUTHORIZED' });
    refusal = undefined;
    const before = on.subscribes();
    await on.until(() => on.subscribes() > before);
    topic.deliver([
      { entryId: 1, texts: ['a', 'b'] },
      { entryId: 2, texts: ['c'] },
    ]);
    const next = await subscription.receive(10);
    expect(next.map(({ payload }) => Buffer.from(payload).toString())).toEqual(['c']);
    const done = subscription.acknowledge([a, b, ...next]);
    await topic.broker.waitFor(({ ack }) => ack?.messageId.some(({ entryId, ackSet }) => entryId === 1n && ackSet.length === 0) === true);
    await done;
  });

  it('acknowledges a large message with its first chunk too, which would else be kept for a message that is done', async () => {
    await using on = await stage();
    const { topic, broker } = on;
    const subscription = await broker.subscribe({ topic: 'orders', subscription: 's', type: 'shared' });
    const chunkOf = (chunkId: number, text: string): FakeEntry => {
      const metadata = { uuid: 'u', numChunksFromMessage: 2, totalChunkMessageSize: 4, chunkId, publishTime: systemClock.now() };
      return { entryId: chunkId + 1, texts: [text], metadata };
    };
    topic.deliver([chunkOf(0, 'la'), chunkOf(1, 'ge')]);
    const messages = await subscription.receive(10);
    expect(messages.map(({ payload }) => Buffer.from(payload).toString())).toEqual(['lage']);
    refusal = ServerError.AUTHORIZATION_ERROR;
    topic.cut();
    await expect(subscription.receive(10)).rejects.toMatchObject({ reason: 'PULSAR_NOT_AUTHORIZED' });
    refusal = undefined;
    const before = on.subscribes();
    await on.until(() => on.subscribes() > before);
    await expect.poll(() => subscription.acknowledge(messages).then(() => 'done', String)).toBe('done');
    const done = topic.commands(Type.ACK).flatMap(({ ack }) => ack?.messageId.map(({ entryId }) => entryId));
    expect(done.toSorted()).toEqual([1n, 2n]);
  });

  it('is not asked for again once it is closed', async () => {
    await using on = await stage();
    const subscription = await on.broker.subscribe({ topic: 'orders', subscription: 's' });
    const waiting = subscription.receive(1).catch((error: PaystreamError) => error.reason);
    refusal = ServerError.TOPIC_NOT_FOUND;
    on.topic.cut();
    expect(await waiting).toBe('TOPIC_NOT_FOUND');
    await subscription.close();
    await expect(subscription.receive(1)).rejects.toMatchObject({ code: 'CANCELED', reason: 'CONSUMER_CLOSED' });
    const before = on.subscribes();
    await on.clock.advance({ minutes: 5 });
    expect([on.subscribes(), on.clock.pendingTimers]).toEqual([before, 0]);
  });

  it('is over when its client was closed by who has it, and does not try for ever', async () => {
    await using on = await stage();
    const subscription = await on.broker.subscribe({ topic: 'orders', subscription: 's' });
    refusal = ServerError.TOPIC_NOT_FOUND;
    on.topic.cut();
    await expect(subscription.receive(1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const waiting = subscription.receive(1).catch((error: PaystreamError) => error.reason);
    await on.topic.client.close();
    await on.clock.advance({ seconds: 10 });
    expect(await waiting).toBe('CONSUMER_CLOSED');
    expect(on.clock.pendingTimers).toBe(0);
  });
});

describe('a reader that the broker does not take back', () => {
  it('keeps nobody waiting for what cannot come: who reads is told, and opens another', async () => {
    await using on = await stage();
    const reader = await on.broker.createReader({ topic: 'orders', start: 'earliest' });
    const waiting = reader.receive(1);
    refusal = ServerError.TOPIC_NOT_FOUND;
    on.topic.cut();
    await expect(waiting).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' });
    refusal = undefined;
    await expect(reader.receive(1)).rejects.toMatchObject({ reason: 'TOPIC_NOT_FOUND' });
    await reader.close();
    const other = await on.broker.createReader({ topic: 'orders', start: 'earliest' });
    on.topic.deliver([{ entryId: 1, texts: ['a'] }]);
    expect(await other.receive(1)).toHaveLength(1);
  });
});

describe('a consumer that cannot reach the broker', () => {
  it('says so after some seconds, and why, and when it is back; a short break is nothing to tell', async () => {
    await using on = await stage();
    const { topic, broker, clock } = on;
    const told: (string | undefined)[] = [];
    const onOutage: SubscribeOptions['onOutage'] = (error) => void told.push(error && `${error.reason} ${error.message}`);
    const subscription = await broker.subscribe({ topic: 'orders', subscription: 's', onOutage });
    const soon = { timeout: 20_000 };
    // What is connected asks for messages.
    const connected = async (times: number): Promise<void> => {
      await expect.poll(() => topic.commands(Type.FLOW).length, soon).toBe(times);
    };
    await connected(1);
    topic.cut();
    await connected(2);
    await clock.advance({ minutes: 1 });
    expect(told).toEqual([]);
    refusal = ServerError.CONSUMER_BUSY;
    topic.cut();
    await expect.poll(() => on.subscribes(), soon).toBeGreaterThan(4);
    await clock.advance({ seconds: 3 });
    expect(told).toEqual([]);
    await clock.advance({ seconds: 4 });
    expect(told).toEqual([expect.stringMatching(/^SUBSCRIPTION_BUSY .*subscription "s" of topic "orders".*no grant/)]);
    refusal = undefined;
    await on.until(() => told.length === 2);
    expect(told[1]).toBeUndefined();
    await subscription.close();
    expect(clock.pendingTimers).toBe(0);
  });

  it('to one partition of several keeps its readiness, for the others go on; to none of them it says so', async () => {
    let away: readonly number[] = [];
    const topic = await fakeTopic(({ partitionMetadata, subscribe }, session) => {
      if (partitionMetadata !== undefined) {
        const { requestId } = partitionMetadata;
        const partitionMetadataResponse = { requestId, response: PartitionMetadataLookupType.SUCCESS, partitions: 3 };
        session.send({ type: Type.PARTITIONED_METADATA_RESPONSE, partitionMetadataResponse });
        return true;
      }
      if (subscribe === undefined || !away.includes(Number(subscribe.topic.at(-1)))) return false;
      session.send({ type: Type.ERROR, error: { requestId: subscribe.requestId, error: ServerError.CONSUMER_BUSY, message: 'away' } });
      return true;
    });
    const clock = createVirtualClock();
    const broker = createPulsarBroker({ client: topic.client, clock });
    const told: (string | undefined)[] = [];
    const onOutage: SubscribeOptions['onOutage'] = (error) => void told.push(error?.reason);
    const asked = (): number => topic.commands(Type.SUBSCRIBE).length;
    const cut = async (partitions: readonly number[]): Promise<void> => {
      away = partitions;
      const before = asked();
      topic.cut();
      // Those that may are back, the others have been refused.
      await expect.poll(asked, { timeout: 20_000 }).toBeGreaterThan(before + 6);
    };
    const subscription = await broker.subscribe({ topic: 'orders', subscription: 's', onOutage });
    await cut([1]);
    await clock.advance({ minutes: 1 });
    expect(told).toEqual([]);
    await cut([0, 1, 2]);
    await clock.advance({ seconds: 7 });
    expect(told).toEqual(['SUBSCRIPTION_BUSY']);
    const before = topic.commands(Type.FLOW).length;
    away = [0, 1];
    await expect.poll(() => topic.commands(Type.FLOW).length).toBeGreaterThan(before);
    await clock.advance({ seconds: 1 });
    expect(told).toEqual(['SUBSCRIPTION_BUSY', undefined]);
    await subscription.close();
    await topic[Symbol.asyncDispose]();
    await broker.close();
  });
});
