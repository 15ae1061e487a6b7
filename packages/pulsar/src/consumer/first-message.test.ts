import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type BaseCommand, BaseCommand_Type as Type } from '../gen/pulsar/wire_pb.ts';
import { type FakeTopic, fakeTopic } from './fake-topic.ts';
import { FirstMessage } from './first-message.ts';
import type { Consumer } from './port.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

it('asks when nothing has come after two seconds, and ever more seldom within a minute', () => {
  let asked = 0;
  const first = new FirstMessage(() => {
    asked += 1;
  });
  first.expect();
  const askedAt: number[] = [];
  for (let second = 1; second <= 600; second++) {
    const before = asked;
    vi.advanceTimersByTime(1_000);
    if (asked > before) askedAt.push(second);
  }
  expect(askedAt).toEqual([2, 6, 14, 30, 62]);
});

it('asks no more once a message has come after it asked', () => {
  let asked = 0;
  const first = new FirstMessage(() => {
    asked += 1;
  });
  first.expect();
  vi.advanceTimersByTime(2_000);
  first.end();
  vi.advanceTimersByTime(60_000);
  expect(asked).toBe(1);
});

it('asks for nothing when a message has come, and begins anew with the next turn', () => {
  let asked = 0;
  const first = new FirstMessage(() => {
    asked += 1;
  });
  first.expect();
  vi.advanceTimersByTime(1_000);
  first.end();
  vi.advanceTimersByTime(10_000);
  expect(asked).toBe(0);
  first.expect();
  vi.advanceTimersByTime(1_000);
  first.expect();
  vi.advanceTimersByTime(1_999);
  expect(asked).toBe(0);
  vi.advanceTimersByTime(1);
  expect(asked).toBe(1);
});

const isAsk = ({ type }: BaseCommand): boolean => type === Type.REDELIVER_UNACKNOWLEDGED_MESSAGES;

/** Of two consumers one gets a message: the other asks. */
async function expectFirstToAsk(topic: FakeTopic, second: Consumer | undefined): Promise<void> {
  topic.deliver([{ entryId: 0, texts: ['a'] }], 1);
  await second?.receive();
  vi.advanceTimersByTime(2_000);
  const { redeliverUnacknowledgedMessages: asked } = await topic.broker.waitFor(isAsk);
  expect(asked).toMatchObject({ consumerId: 0n, messageIds: [] });
  expect(topic.commands(Type.REDELIVER_UNACKNOWLEDGED_MESSAGES)).toHaveLength(1);
}

function makeActive(topic: FakeTopic, ...consumerIds: readonly bigint[]): void {
  const [session] = topic.broker.sessions;
  for (const consumerId of consumerIds) {
    session?.send({ type: Type.ACTIVE_CONSUMER_CHANGE, activeConsumerChange: { consumerId, isActive: true } });
  }
}

it('is what a failover consumer does', async () => {
  await using topic = await fakeTopic();
  const [, second] = [await topic.subscribe({ type: 'failover' }), await topic.subscribe({ type: 'failover' })];
  makeActive(topic, 0n, 1n);
  await expectFirstToAsk(topic, second);
});

it('is what an exclusive consumer does to which nothing has come', async () => {
  await using topic = await fakeTopic();
  const [, second] = [await topic.subscribe(), await topic.subscribe({ topic: 'more' })];
  await expectFirstToAsk(topic, second);
});

it.each(['exclusive', 'failover'] as const)('gives the broker no more than one permit without a queue (%s)', async (type) => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe({ type, receiverQueueSize: 0 });
  makeActive(topic, 0n);
  const waiting = consumer.receive({ timeoutMs: 1_000 });
  await topic.broker.waitFor(({ flow }) => flow !== undefined);
  vi.advanceTimersByTime(2_000);
  expect(await waiting).toBeUndefined();
  await topic.broker.waitFor(isAsk);
  const again = consumer.receive();
  await topic.client.partitionsOf('orders');
  topic.deliver([{ entryId: 0, texts: ['a'], consumerEpoch: 1 }]);
  expect((await again).data.toString()).toBe('a');
  expect(topic.permits()).toBe(1);
});

it('takes nothing of what comes just then', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe();
  vi.advanceTimersByTime(2_000);
  await topic.broker.waitFor(isAsk);
  topic.deliver([{ entryId: 0, texts: ['a'] }]);
  expect((await consumer.receive()).data.toString()).toBe('a');
});

it('goes on if what comes then was sent before the broker was asked', async () => {
  await using topic = await fakeTopic();
  const consumer = await topic.subscribe();
  vi.advanceTimersByTime(2_000);
  await topic.broker.waitFor(isAsk);
  topic.deliver([{ entryId: 0, texts: ['early'], consumerEpoch: 0 }]);
  topic.deliver([{ entryId: 0, texts: ['early'], consumerEpoch: 0 }]);
  await topic.client.partitionsOf('orders');
  vi.advanceTimersByTime(4_000);
  await topic.broker.waitFor(({ redeliverUnacknowledgedMessages: asked }) => asked?.consumerEpoch === 2n);
  topic.deliver([{ entryId: 0, texts: ['a'], consumerEpoch: 2 }]);
  expect((await consumer.receive()).data.toString()).toBe('a');
});

it('leaves in the queue of a reader what was given back to it: that does not come again', async () => {
  vi.useRealTimers();
  await using topic = await fakeTopic();
  const reader = await topic.client.createReader({ topic: 'orders', start: 'earliest' });
  const aborted = new AbortController();
  const waiting = reader.receiveBatch({ maxMessages: 10, minMessages: 10, timeoutMs: 3_600_000, signal: aborted.signal });
  topic.deliver([{ entryId: 0, texts: ['a'] }]);
  await topic.broker.waitFor(({ type }) => type === Type.ACK);
  topic.cut();
  await vi.waitFor(() => expect(topic.commands(Type.SUBSCRIBE)).toHaveLength(2));
  aborted.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'CANCELED' });
  await topic.broker.waitFor(isAsk);
  expect((await reader.receive()).data.toString()).toBe('a');
});

it('is what nobody does on a topic that keeps nothing: what came meanwhile would be lost', async () => {
  await using topic = await fakeTopic();
  await topic.subscribe({ topic: 'non-persistent://public/default/orders' });
  await topic.subscribe();
  vi.advanceTimersByTime(2_000);
  const { redeliverUnacknowledgedMessages: asked } = await topic.broker.waitFor(isAsk);
  expect(asked).toMatchObject({ consumerId: 1n });
  expect(topic.commands(Type.REDELIVER_UNACKNOWLEDGED_MESSAGES)).toHaveLength(1);
});
